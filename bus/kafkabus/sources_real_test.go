package kafkabus

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestRealSources: sources of a real broker that asks for rights come and go, with what this node may
// read and with the topics themselves, and the bus goes on.
func TestRealSources(t *testing.T) {
	b := servers.Kafka(t, servers.Secure(), servers.Guarded())
	for _, topic := range []string{"stompgw", "denied", "granted", "lost"} {
		b.CreateTopic(t, topic, 1)
	}
	for _, topic := range []string{"stompgw", "granted", "lost", "missing"} {
		b.Grant(t, topic)
	}
	w := newWriter(t, []string{b.Addr})
	write := func(topic string, values ...string) { t.Helper(); w.must(topic, 0, values...) }
	for _, topic := range []string{"denied", "granted", "lost"} {
		write(topic, "old", "older")
	}
	n := openSourced(t, Config{
		Brokers: []string{b.SASLAddr},
		SASL:    SASL{"scram-sha-256", servers.User, servers.Password},
		Sources: []Source{{Topic: "denied", Destination: "/denied"}, {Topic: "granted", Destination: "/granted"},
			{Topic: "lost", Destination: "/lost"}, {Topic: "missing", Destination: "/missing"}},
	})
	n.wantSources("denied: Authorization Failed", "granted", "lost", "missing: does not exist")
	n.wantLogged(`msg="a source can't be read; all else goes on" topic=denied`)
	n.wantLogged(`msg="a source can't be read; all else goes on" topic=missing`)

	write("granted", "1")
	n.want("/granted", "1")
	b.Grant(t, "denied")
	b.Revoke(t, "granted")
	n.wantSources("denied", "granted: Authorization Failed", "lost", "missing: does not exist")
	write("denied", "1")
	write("granted", "2")
	n.want("/denied", "1")
	n.publish("own")
	n.want("/own", "own")

	b.DeleteTopic(t, "lost")
	n.wantSources("denied", "granted: Authorization Failed", "lost: does not exist", "missing: does not exist")
	b.Grant(t, "granted")
	n.wantSources("denied", "granted", "lost: does not exist", "missing: does not exist")
	write("granted", "3")
	n.want("/granted", "1", "2", "3")

	for _, topic := range []string{"lost", "missing"} {
		b.CreateTopic(t, topic, 1)
		write(topic, "1", "2", "3")
		n.want("/"+topic, "1", "2", "3")
	}
	n.wantSources("denied", "granted", "lost", "missing")

	b.Revoke(t, "stompgw")
	n.until("the node is not healthy", func() bool { return strings.Contains(errorText(n.Healthy()), "topic stompgw: let this node's user") })
	b.Grant(t, "stompgw")
	n.until("the node is healthy", func() bool { return n.Healthy() == nil })
	n.publish("again")
	n.want("/own", "own", "again")
}

// sourced is a bus at work, and what it has brought, by destination.
type sourced struct {
	*Bus
	t     *testing.T
	limit <-chan struct{}

	mu     sync.Mutex
	got    map[string][]string
	logged bytes.Buffer
}

func openSourced(t *testing.T, cfg Config) *sourced {
	t.Helper()
	n := &sourced{t: t, limit: untilDeadline(t).Done(), got: make(map[string][]string)}
	b, err := New(cfg, "1/a", slog.New(slog.NewTextHandler(n, nil)))
	if err != nil {
		t.Fatal(err)
	}
	n.Bus = b
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = b.Receive(ctx, func() { close(ready) }, func(e bus.Envelope) { // it returns nil
			n.mu.Lock()
			defer n.mu.Unlock()
			n.got[e.Destination] = append(n.got[e.Destination], string(e.Body))
		})
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", &n.logged)
		}
	})
	select {
	case <-ready:
	case <-n.limit:
		t.Fatal("not ready: ", b.Healthy())
	}
	return n
}

// Write keeps what the bus logs.
func (n *sourced) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.logged.Write(p)
}

func (n *sourced) until(what string, holds func() bool) {
	n.t.Helper()
	for !holds() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-n.limit:
			n.t.Fatalf("waited in vain until %s; health: %v; got %v; sources %v", what, n.Healthy(), n.got, n.Figures().Sources)
		}
	}
}

// want waits until exactly that has arrived at a destination.
func (n *sourced) want(destination string, bodies ...string) {
	n.t.Helper()
	var got string
	n.until("all has arrived at "+destination, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		got = strings.Join(n.got[destination], " ")
		return len(n.got[destination]) >= len(bodies)
	})
	if want := strings.Join(bodies, " "); got != want {
		n.t.Errorf("at %s arrived %s, want %s", destination, got, want)
	}
}

// wantSources waits until the sources are like that: each is a topic, and a part of what is amiss.
func (n *sourced) wantSources(want ...string) {
	n.t.Helper()
	n.until("the sources are "+strings.Join(want, ", "), func() bool {
		for i, s := range n.Figures().Sources {
			topic, fault, amiss := strings.Cut(want[i], ": ")
			if s.Topic != topic || (s.Err != nil) != amiss || !strings.Contains(errorText(s.Err), fault) {
				return false
			}
		}
		return true
	})
}

func (n *sourced) wantLogged(text string) {
	n.t.Helper()
	n.until("the log has "+text, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return strings.Contains(n.logged.String(), text)
	})
}

// publish publishes to /own, and tries until the broker has it.
func (n *sourced) publish(body string) {
	n.t.Helper()
	n.until("it is published", func() bool {
		answer := make(chan error, 1)
		err := n.Publish(bus.Envelope{Destination: "/own", Body: []byte(body)}, func(err error) { answer <- err })
		if err == nil {
			err = <-answer
		}
		if err != nil && !errors.Is(err, bus.ErrDown) {
			n.t.Fatal(err)
		}
		return err == nil
	})
}
