package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
)

// forgedSender says who sends, in all ways that a client could read.
func forgedSender() (headers []bus.Header) {
	for _, name := range []string{"stomp-member", "Stomp-Member", "STOMP-MEMBER", "stomp-principal", "Stomp-Session", "stomp-x", " stomp-member", "ſtomp-member",
		"x-position", "X-Position", " x-position", "x-poſition"} {
		headers = append(headers, bus.Header{Name: name, Value: "1"})
	}
	return append(headers, bus.Header{Name: "x-kept", Value: "1"})
}

// fromRules have a destination of each kind whose subscribers see who sends, and one of those who don't; and more routes.
func fromRules(t *testing.T, more ...policy.Route) *policy.Catalogue {
	t.Helper()
	return compile(t, policy.Rules{
		Channels: []policy.Channel{
			{Match: "/topic/from", Subscribe: "true", Send: "true", From: true},
			{Match: "/topic/kept", Subscribe: "true", Send: "true", From: true, History: policy.History{Size: 100, TTL: time.Hour}},
			{Match: "/topic/plain", Subscribe: "true", Send: "true"},
			{Match: "/member/{member}/queue/x", Subscribe: "true", Send: "true", From: true},
			{Match: "/session/queue/{name}", Subscribe: "true"},
		},
		Routes: append(more, policy.Route{Match: "/app/topic/{name}", Allow: "true", Publish: "/topic/{name}", Headers: `{"x-by": "a route"}`}),
	})
}

// member opens the session of a member.
func (n *node) member(t testing.TB, id any) *client {
	t.Helper()
	c := n.dialTCP(t)
	c.send("CONNECT\naccept-version:1.2\nAuthorization:Bearer " + tokenOf(t, id, time.Hour) + "\n\n^@")
	c.expect("CONNECTED")
	return c
}

// wantFrom reads a MESSAGE, and holds that it says of its sender what it should, and nothing else; "" is nothing.
func (c *client) wantFrom(what, member string) {
	c.t.Helper()
	frame := c.expect("MESSAGE", "x-kept:1")
	want := 0
	if member != "" {
		want = 1
		if !strings.Contains(frame, "\nstomp-member:"+member+"\n") {
			c.t.Errorf("%s: got %q, want it from %s", what, frame, member)
		}
	}
	lower := strings.ToLower(frame)
	if got := strings.Count(lower, "tomp-"); got != want {
		c.t.Errorf("%s: %d headers say who sent it, want %d: %q", what, got, want, frame)
	}
	want = strings.Count(lower, "\ndestination:/topic/kept\n")
	if got := strings.Count(lower, "ition:"); got != want || strings.Contains(lower, "ition:1\n") {
		c.t.Errorf("%s: %d headers say where it stands, want %d, of the gateway: %q", what, got, want, frame)
	}
}

// TestFrom: on a channel with from subscribers see who sent a message, as the gateway knows it, on others they don't; and nobody else says it: not the
// sender, nor a route, nor the embedder's code, nor a program that publishes to the broker itself.
func TestFrom(t *testing.T) {
	cluster := membus.NewCluster()
	n := startOn(t, cluster, withAuth(t),
		gateway.WithInterceptor(func(_ context.Context, f *gateway.Frame) error {
			if f.Command == "SEND" {
				f.Header = append(f.Header, forgedSender()...)
			}
			return nil
		}),
		gateway.HandleFunc("/app/rpc/{name}", func(_ context.Context, r *gateway.Request) error {
			r.Reply("/session/queue/answers", nil, forgedSender()...)
			r.Publish("/topic/"+r.Vars["name"], nil, forgedSender()...)
			return nil
		}))
	n.mustSetRules(t, fromRules(t))
	c, nobody, bob := n.member(t, 42), n.dialTCP(t).connect(), n.member(t, "b/b")
	c.subscribe("1", "/session/queue/answers")
	c.subscribe("2", "/member/queue/x")
	for _, to := range []struct{ name, from42, fromBob string }{{"from", "42", "b%2Fb"}, {"kept", "42", "b%2Fb"}, {"plain", "", ""}} {
		c.subscribe(to.name, "/topic/"+to.name)
		lines := "\nstomp-member:1\nSTOMP-Member:2\nstomp-destination:3\nx-kept:1\n\n^@"
		for _, destination := range []string{"/topic/", "/app/topic/"} {
			c.send("SEND\ndestination:" + destination + to.name + lines)
			c.wantFrom(destination+to.name, to.from42)
			nobody.send("SEND\ndestination:" + destination + to.name + lines)
			c.wantFrom("nobody's "+destination+to.name, "")
			bob.send("SEND\ndestination:" + destination + to.name + lines)
			c.wantFrom("another's "+destination+to.name, to.fromBob)
			bob.send("SEND\ndestination:" + destination + to.name + "\nAuthorization:Bearer " + tokenOf(t, 42, time.Hour) + lines)
			c.wantFrom("another's by its token "+destination+to.name, to.from42)
		}
		bob.send("BEGIN\ntransaction:a\n\n^@SEND\ntransaction:a\ndestination:/topic/" + to.name + lines + "COMMIT\ntransaction:a\n\n^@")
		c.wantFrom("in a transaction", to.fromBob)
		c.send("SEND\ndestination:/app/rpc/" + to.name + "\n\n^@")
		c.wantFrom("a handler's answer", "")
		c.wantFrom("a handler's", to.from42)
		publish(t, cluster, bus.Envelope{Destination: "/topic/" + to.name, Headers: forgedSender()})
		c.wantFrom("a foreign one", "")
	}
	bob.send("SEND\ndestination:/member/42/queue/x\n\n^@")
	c.wantFrom("a member's", "b%2Fb")
	page, err := n.History(context.Background(), "/topic/kept", "", 1000)
	if err != nil || len(page.Messages) != 11 {
		t.Fatalf("%d messages are kept, %v", len(page.Messages), err)
	}
	if h := page.Messages[0].Headers[0]; h != (bus.Header{Name: "stomp-member", Value: "42"}) {
		t.Errorf("what is kept begins with %v", h)
	}
}
