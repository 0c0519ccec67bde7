package config

import (
	"context"
	"slices"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestRoutesOfConfigs: what the pages send to their room becomes what they show, in each file.
func TestRoutesOfConfigs(t *testing.T) {
	const room, media = "/app/topic/test-channel", "application/json"
	ours := []struct{ sent, want, media string }{
		{`{"chat": "<안녕>"}`, `{"content":"<안녕>"}`, media},
		{`{"from":"bob", "text":"hi"}`, `{"from":"bob", "text":"hi"}`, "x/sent"},
		{`["chat"]`, `["chat"]`, "x/sent"},
		{`12`, `12`, "x/sent"},
		{`hello`, `hello`, "x/sent"},
		{``, ``, "x/sent"},
	}
	springs := []struct{ sent, want, media string }{{`{"chat":"hi"}`, `{"content":"hi"}`, "text/plain;charset=UTF-8"}, {`{}`, "refused", ""}}
	for name, cases := range map[string][]struct{ sent, want, media string }{
		"standalone.yaml": ours, "kafka.yaml": ours, "nats.yaml": ours, "spring.yaml": springs,
	} {
		c := must(Load(Source{Drivers: drivers(), File: "../../../configs/" + name}))
		target, refusal := c.Rules().JudgeSend(&policy.Request{Destination: room})
		if refusal != nil || target.Destination != "/topic/test-channel" || target.Rewrite == nil {
			t.Fatalf("%s: %s goes to %+v, %v", name, room, target, refusal)
		}
		for _, test := range cases {
			e := bus.Envelope{Headers: []bus.Header{{Name: "content-type", Value: "x/sent"}}, Body: []byte(test.sent)}
			if refusal := target.Rewrite.Apply(context.Background(), &e, int(c.Limits.Message)); refusal != nil {
				if test.want != "refused" {
					t.Errorf("%s: %s is refused: %v", name, test.sent, refusal.Reason)
				}
				continue
			}
			if want := []bus.Header{{Name: "content-type", Value: test.media}}; string(e.Body) != test.want || !slices.Equal(e.Headers, want) {
				t.Errorf("%s: %s becomes %s, %q", name, test.sent, e.Body, e.Headers)
			}
		}
		if target, refusal := c.Rules().JudgeSend(&policy.Request{Destination: "/app/topic/other"}); refusal != nil || target.Rewrite != nil {
			t.Errorf("%s: other rooms go to %+v, %v", name, target, refusal)
		}
	}
}

// TestRulesSayWhere: a rule that says no can be found.
func TestRulesSayWhere(t *testing.T) {
	c := must(load(t, "channels:\n  - match: /topic/a\n  - {subscribe: 'true', match: /topic/b}\nroutes:\n  - publish: /topic/a\n    allow: 'true'\n    match: /app/a\n"))
	for rule, want := range map[string]string{"channels[0]": "t.yaml:2", "channels[1]": "t.yaml:3", "routes[0]": "t.yaml:7", "channels[2]": "", "": ""} {
		if got := c.Rules().Where(rule); got != want {
			t.Errorf("%q: got %q, want %q", rule, got, want)
		}
	}
}
