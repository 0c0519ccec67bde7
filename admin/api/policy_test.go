package api_test

import (
	"net/http"
	"testing"

	"github.com/stompgw/stompgw/gateway/policy"
)

// TestPolicy: what the rules make of a frame is told as clients would see it, those of a member's destinations too.
func TestPolicy(t *testing.T) {
	r := newRigOn(t, unreachable(t))
	for _, c := range []struct {
		frame       string // members of the request, less the braces
		allowed     bool
		code        policy.Code
		rule        string
		destination string // or target
	}{
		{`"command": "SUBSCRIBE", "destination": "/topic/a"`, false, policy.CodeLogin, "channels[1]", ""},
		{`"command": "SUBSCRIBE", "destination": "/topic/a", "claims": {"rl": ["ROLE_A"]}`, true, 0, "channels[1]", "/topic/a"},
		{`"command": "SUBSCRIBE", "destination": "/member/queue/x", "claims": {"mu": 7}`, true, 0, "channels[2]", "/member/7/queue/x"},
		{`"command": "SUBSCRIBE", "destination": "/member/queue/x", "claims": {"mu": "7"}`, true, 0, "channels[2]", "/member/%37/queue/x"},
		{`"command": "SUBSCRIBE", "destination": "/member/queue/x"`, false, policy.CodeLogin, "", ""},
		{`"command": "SEND", "destination": "/app/topic/a"`, true, 0, "routes[0]", "/topic/a"},
	} {
		var got struct {
			Allowed                           bool
			Code                              policy.Code
			Rule, Destination, Target, Limits string
		}
		wantJSON(t, r.ask(t, readKey, "POST", "/v1/policy/test", "{"+c.frame+"}"), http.StatusOK, &got)
		if got.Allowed != c.allowed || got.Code != c.code || got.Rule != c.rule || got.Destination+got.Target != c.destination ||
			(got.Limits == "5/s, burst 5") != (got.Target != "") {
			t.Errorf("%s: got %+v, want %+v", c.frame, got, c)
		}
	}
}

// TestPolicyTarget: of a SEND that may pass it is told what else it goes to, and what it has to fit.
func TestPolicyTarget(t *testing.T) {
	var got struct{ Target, Backend, Schema string }
	wantJSON(t, newRigOn(t, unreachable(t)).ask(t, readKey, "POST", "/v1/policy/test", `{"command": "SEND", "destination": "/app/orders"}`), http.StatusOK, &got)
	if got.Target != "/topic/chat" || got.Backend != "topic orders-in" || got.Schema == "" {
		t.Errorf("got %+v", got)
	}
}
