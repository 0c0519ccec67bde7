package kafkabus

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// node is a bus at work, and what it has brought, by destination.
type node struct {
	*Bus
	t *testing.T

	mu     sync.Mutex
	got    map[string][]string
	logged bytes.Buffer
}

// openNode opens a bus that receives until the test's end, and waits until it is ready.
func openNode(t *testing.T, cfg Config) *node {
	t.Helper()
	n := &node{t: t, got: make(map[string][]string)}
	b, err := New(cfg, "1/a", slog.New(slog.NewTextHandler(n, nil)))
	if err != nil {
		t.Fatal(err)
	}
	n.Bus = b
	ctx, cancel := context.WithCancel(context.Background())
	var ready atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = b.Receive(ctx, func() { ready.Store(true) }, func(e bus.Envelope) { // it returns nil
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
	n.until("it is ready", ready.Load)
	return n
}

// Write keeps what the bus logs.
func (n *node) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.logged.Write(p)
}

func (n *node) until(what string, holds func() bool) {
	n.t.Helper()
	poll(n.t, "until "+what, holds, func() any { return n.Healthy() }, func() any { return n.Figures().Sources })
}

// want waits until exactly that has arrived at a destination.
func (n *node) want(destination string, bodies ...string) {
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
func (n *node) wantSources(want ...string) {
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

func (n *node) wantLogged(text string) {
	n.t.Helper()
	n.until("the log has "+text, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return strings.Contains(n.logged.String(), text)
	})
}

// publish publishes to /own, and tries until the broker has it.
func (n *node) publish(body string) {
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
