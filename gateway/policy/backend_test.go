package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// backends has routes to backends of every kind.
func backends(t testing.TB) *Catalogue {
	return mustNew(t, Rules{Prefixes: DefaultPrefixes(), Routes: []Route{
		{Match: "/app/member", Allow: "true", To: To{Topic: "orders"}},
		{Match: "/app/session", Allow: "true", To: To{Topic: "orders", Key: "session"}},
		{Match: "/app/destination/{x}", Allow: "true", To: To{Topic: "orders", Key: "destination"}},
		{Match: "/app/key/{x}", Allow: "true", To: To{Topic: "orders", Key: `vars.x == "none" ? "" : vars.x + headers["shop"]`}},
		{Match: "/app/subject/{x}/{y}", Allow: "true", Publish: "/topic/{x}", To: To{Subject: "orders.{x}.of-{y}.in"}},
		{Match: "/app/fixed", Allow: "true", To: To{Subject: "orders.in"}},
		{Match: "/app/closed", Allow: "false", To: To{Topic: "orders"}},
	}})
}

func TestBackend(t *testing.T) {
	c := backends(t)
	shop := []bus.Header{{Name: "shop", Value: "s"}}
	for _, test := range []struct {
		destination string
		want        Target
		code        Code
	}{
		{"/app/member", Target{Rule: "routes[0]", To: bus.Target{Topic: "orders"}}, 0},
		{"/app/session", Target{Rule: "routes[1]", To: bus.Target{Topic: "orders", Key: "node_session"}}, 0},
		{"/app/destination/a", Target{Rule: "routes[2]", To: bus.Target{Topic: "orders", Key: "/app/destination/a"}}, 0},
		{"/app/key/a", Target{Rule: "routes[3]", To: bus.Target{Topic: "orders", Key: "as"}}, 0},
		{"/app/key/none", Target{}, CodeBody},
		{"/app/key/" + strings.Repeat("a", 1024), Target{}, CodeBody},
		{"/app/subject/a/b", Target{Rule: "routes[4]", Destination: "/topic/a", To: bus.Target{Subject: "orders.a.of-b.in"}}, 0},
		{"/app/subject/a.b/c", Target{Rule: "routes[4]", Destination: "/topic/a.b", To: bus.Target{Subject: "orders.a=2Eb.of-c.in"}}, 0},
		{"/app/subject/a/>", Target{Rule: "routes[4]", Destination: "/topic/a", To: bus.Target{Subject: "orders.a.of-=3E.in"}}, 0},
		{"/app/subject/ä \r\n/$=", Target{Rule: "routes[4]", Destination: "/topic/ä \r\n", To: bus.Target{Subject: "orders.=C3=A4=20=0D=0A.of-=24=3D.in"}}, 0},
		{"/app/fixed", Target{Rule: "routes[5]", To: bus.Target{Subject: "orders.in"}}, 0},
		{"/app/closed", Target{}, CodeNotAllowed},
	} {
		r := NewTrial(shop)
		r.Destination = test.destination
		got, refusal := c.JudgeSend(r)
		if codeOf(refusal) != test.code || got != test.want {
			t.Errorf("%q: got %+v, %v; want %+v, code %d", test.destination, got, refusal, test.want, test.code)
		}
		if refusal != nil && refusal.Reason != nil && strings.Contains(refusal.Reason.Error(), "aaa") {
			t.Errorf("the reason quotes: %v", refusal.Reason)
		}
	}
	r := NewTrial(nil) // without the header that the key is made of
	r.Destination = "/app/key/a"
	if _, refusal := c.JudgeSend(r); codeOf(refusal) != CodeBody {
		t.Errorf("a key that can't be made: %v", refusal)
	}
}

// TestBackends: what a bus is asked of before there is any SEND.
func TestBackends(t *testing.T) {
	var got []string
	for _, b := range backends(t).Backends() {
		got = append(got, b.Rule+" "+b.Target.Topic+b.Target.Subject+b.Target.Key)
	}
	want := []string{"routes[0] orders", "routes[1] orders", "routes[2] orders", "routes[3] orders", "routes[4] orders.*.*.in", "routes[5] orders.in", "routes[6] orders"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if list := catalogue(t).Backends(); list != nil {
		t.Errorf("rules without backends have %v", list)
	}
}
