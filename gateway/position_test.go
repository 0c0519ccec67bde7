package gateway_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
)

// TestForgedPosition: nobody but the gateway says where a message stands: not its sender, nor a route, nor the
// embedder's code, nor a program that publishes to the broker itself.
func TestForgedPosition(t *testing.T) {
	forged := []bus.Header{{Name: "x-position", Value: "k1"}, {Name: "X-Position", Value: "k2"}, {Name: "X-POSITION", Value: "k3"}, {Name: "x-kept", Value: "1"}}
	cluster := membus.NewCluster()
	foreign := cluster.Bus("foreign")
	n := startOn(t, cluster,
		gateway.WithInterceptor(func(_ context.Context, f *gateway.Frame) error {
			if f.Command == "SEND" {
				f.Header.Set("X-position", "k4")
			}
			return nil
		}),
		gateway.HandleFunc("/app/rpc", func(_ context.Context, r *gateway.Request) error {
			r.Reply("/session/queue/answers", nil, forged...)
			r.Publish("/topic/a", nil, forged...)
			return nil
		}))
	c := n.listening(t)
	c.subscribe("1", "/topic/a")
	c.subscribe("2", "/session/queue/answers")
	want := func(what string) {
		t.Helper()
		if frame := c.expect("MESSAGE", "x-kept:1"); strings.Contains(strings.ToLower(frame), "position") {
			t.Errorf("%s: got %q", what, frame)
		}
	}
	for _, to := range []string{"/topic/a", "/app/topic/a"} {
		c.send("SEND\ndestination:" + to + "\nx-position:k1\nX-Position:k2\nx-kept:1\n\n^@")
		want(to)
	}
	c.send("SEND\ndestination:/app/rpc\n\n^@")
	want("a handler's")
	want("a handler's")
	done := make(chan error, 1)
	if err := foreign.Publish(bus.Envelope{Destination: "/topic/a", Headers: forged}, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want("a foreign one")
	foreign.Close(context.Background())
}
