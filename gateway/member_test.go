package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

// TestMemberEmbedded: the embedder's code sees what the client has said, publishes to any member, and answers
// by the client's name; and issuers that are set have subscriptions follow.
func TestMemberEmbedded(t *testing.T) {
	seen := make(chan string, 2)
	n := startMembers(t, gateway.WithInterceptor(func(_ context.Context, f *gateway.Frame) error {
		if f.Command == "SUBSCRIBE" && f.Who != nil {
			seen <- f.Header.Get("destination")
		}
		return nil
	}), gateway.HandleFunc("/app/to/{member}", func(_ context.Context, r *gateway.Request) error {
		r.Reply("/member/queue/x", []byte("for you"))
		r.Publish("/member/"+r.Vars["member"]+"/queue/x", []byte("for all of it"))
		return nil
	}))
	n.mustSetRules(t, compile(t, policy.Rules{
		Channels: []policy.Channel{{Match: "/member/{member}/queue/{name}", Subscribe: "true"}},
	}))
	c, tab := n.dialTCP(t), n.dialTCP(t)
	for _, c := range []*client{c, tab} {
		c.send("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + tokenOf(t, 42, time.Hour) + "\n\n^@")
		c.expect("CONNECTED")
		c.subscribe("1", "/member/queue/x")
		if got := <-seen; got != "/member/queue/x" {
			t.Errorf("the interceptor saw %q", got)
		}
	}
	send := func(member string) { c.send("SEND\ndestination:/app/to/" + member + "\n\n^@") }
	send("42")
	c.expect("MESSAGE", "destination:/member/queue/x", "for you")
	c.expect("MESSAGE", "destination:/member/queue/x", "for all of it")
	tab.expect("MESSAGE", "destination:/member/queue/x", "for all of it")

	ended := make(chan int, 1)
	err := n.SetIssuers([]auth.Issuer{{Algorithms: []string{"HS256"}, Keys: []any{[]byte(authSecret)}, Label: "x"}}, func(n int) { ended <- n })
	if err != nil {
		t.Fatal(err)
	}
	if n := <-ended; n != 2 {
		t.Errorf("%d subscriptions ended, want both", n)
	}
	for _, c := range []*client{c, tab} {
		c.subscribe("2", "/member/queue/x")
		<-seen
	}
	send("x:42")
	c.expect("MESSAGE", "destination:/member/queue/x", "for you")
	c.expect("MESSAGE", "destination:/member/queue/x", "for all of it")
	tab.expect("MESSAGE", "destination:/member/queue/x", "for all of it")
}
