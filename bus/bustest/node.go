package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// newBus returns a bus that the test's end closes.
func newBus(t *testing.T, cluster Cluster, name string) bus.Bus {
	b := cluster(t, name)
	t.Cleanup(func() {
		if err := b.Close(untilDeadline(t)); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
	})
	return b
}

// untilDeadline returns a context that ends shortly before the test binary would be stopped, so
// that a test can say what it waited for.
func untilDeadline(t *testing.T) context.Context {
	deadline, ok := t.Deadline()
	if !ok {
		return context.Background()
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline.Add(-5*time.Second))
	t.Cleanup(cancel)
	return ctx
}

// node is a bus that receives, and keeps what it received.
type node struct {
	bus.Bus
	t     *testing.T
	name  string
	end   func()          // ends Receive, whose result has to be nil
	limit <-chan struct{} // closed when waiting makes no sense any more

	mu      sync.Mutex
	got     []bus.Envelope
	arrival chan struct{} // closed at the next arrival
}

// start returns a node that is ready for whatever is published to the given destinations. before,
// if set, runs before an envelope is kept.
func start(t *testing.T, cluster Cluster, name string, before func(bus.Envelope), destinations ...string) *node {
	t.Helper()
	n := newNode(t, cluster, name)
	n.receive(before)
	n.watch(destinations...)
	return n
}

// newNode returns a node that does not receive yet.
func newNode(t *testing.T, cluster Cluster, name string) *node {
	return &node{Bus: newBus(t, cluster, name), t: t, name: name, limit: untilDeadline(t).Done(), arrival: make(chan struct{})}
}

// receive runs Receive until the test ends, and returns when it is ready.
func (n *node) receive(before func(bus.Envelope)) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- n.Receive(ctx, func() { close(ready) }, func(e bus.Envelope) {
			if before != nil {
				before(e)
			}
			n.keep(e)
		})
	}()
	n.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			n.t.Errorf("%s: Receive: %v", n.name, err)
		}
	})
	n.t.Cleanup(n.end)
	next(n, ready, "Receive to be ready")
}

// keep copies e, which is borrowed for the call.
func (n *node) keep(e bus.Envelope) {
	e.Body = append([]byte(nil), e.Body...)
	e.Headers = append([]bus.Header(nil), e.Headers...)
	if e.Mark != nil {
		e.Mark = new(*e.Mark)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, e)
	close(n.arrival)
	n.arrival = make(chan struct{})
}

// next returns what comes next from c.
func next[T any](n *node, c <-chan T, what string) (v T) {
	n.t.Helper()
	select {
	case v = <-c:
	case <-n.limit:
		n.t.Fatalf("%s waited in vain for %s", n.name, what)
	}
	return v
}

// watch returns when the destinations are watched; on a bus that brings everything, at once.
func (n *node) watch(destinations ...string) {
	n.t.Helper()
	narrower, ok := n.Bus.(bus.Narrower)
	for _, destination := range destinations {
		if !ok {
			break
		}
		ready := make(chan error, 1)
		narrower.Watch(destination, func(err error) { ready <- err })
		if err := next(n, ready, fmt.Sprintf("the watch of %q", destination)); err != nil {
			n.t.Errorf("%s: watch %q: %v", n.name, destination, err)
		}
	}
}

// until returns all that has arrived as soon as enough says so.
func (n *node) until(what string, enough func(got []bus.Envelope) bool) []bus.Envelope {
	n.t.Helper()
	for {
		n.mu.Lock()
		got, arrival := n.got, n.arrival
		n.mu.Unlock()
		if enough(got) {
			return got
		}
		next(n, arrival, fmt.Sprintf("%s; %d envelopes have arrived", what, len(got)))
	}
}

// first waits for an envelope that fits, and returns the first one.
func (n *node) first(what string, fits func(bus.Envelope) bool) (e bus.Envelope) {
	n.t.Helper()
	n.until(what, func(got []bus.Envelope) bool {
		i := slices.IndexFunc(got, fits)
		if i >= 0 {
			e = got[i]
		}
		return i >= 0
	})
	return e
}

// total waits for count envelopes on whatever destinations.
func (n *node) total(count int) []bus.Envelope {
	n.t.Helper()
	return n.until(fmt.Sprintf("%d envelopes", count), func(got []bus.Envelope) bool { return len(got) >= count })
}

// await waits for count envelopes on destination, and returns those.
func (n *node) await(destination string, count int) []bus.Envelope {
	n.t.Helper()
	got := n.until(fmt.Sprintf("%d envelopes on %q", count, destination), func(got []bus.Envelope) bool {
		return len(on(destination, got)) >= count
	})
	return on(destination, got)
}

func on(destination string, got []bus.Envelope) (es []bus.Envelope) {
	for _, e := range got {
		if e.Destination == destination {
			es = append(es, e)
		}
	}
	return es
}

// send publishes e and waits for the answer, which has to be nil.
func (n *node) send(e bus.Envelope) {
	n.t.Helper()
	p := publisher{node: n}
	p.publish(e)
	p.finish()
}

// publisher publishes as a client does whose reading stops while the bus is full.
type publisher struct {
	*node
	pending []chan error
}

func (p *publisher) publish(e bus.Envelope) {
	p.t.Helper()
	for {
		answer := make(chan error, 1)
		err := p.Publish(e, func(err error) { answer <- err })
		if err == nil {
			p.pending = append(p.pending, answer)
			return
		}
		if !errors.Is(err, bus.ErrFull) || len(p.pending) == 0 {
			p.t.Errorf("publish to %q: %v", e.Destination, err)
			return
		}
		p.answer()
	}
}

// answer takes the answer to the oldest pending envelope.
func (p *publisher) answer() {
	p.t.Helper()
	answer := p.pending[0]
	p.pending = p.pending[1:]
	select {
	case err := <-answer:
		if err != nil {
			p.t.Errorf("done: %v", err)
		}
	case <-p.limit:
		p.t.Error("waited in vain for a done")
	}
}

// finish takes all answers.
func (p *publisher) finish() {
	p.t.Helper()
	for len(p.pending) > 0 {
		p.answer()
	}
}

func text(destination, body string) bus.Envelope {
	return bus.Envelope{Destination: destination, Body: []byte(body)}
}
