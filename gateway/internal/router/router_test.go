package router

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/registry"
)

func TestDeliver(t *testing.T) {
	b := newFakeBus()
	r := newRig(t, 3, b, b)
	a0, a2, c1 := r.subscribe(0, "1", "/topic/a"), r.subscribe(2, "2", "/topic/a"), r.subscribe(1, "3", "/topic/c")
	for _, s := range []*reader{a0, a2, c1} {
		if !slices.Equal(s.ready, []error{nil}) {
			t.Fatalf("ready: %v", s.ready)
		}
	}
	b.deliver(bus.Envelope{Destination: "/topic/a", Body: []byte("x")})
	b.deliver(bus.Envelope{Destination: "/topic/b", Body: []byte("nobody's")})
	if got := a0.read(); len(got) != 1 || !strings.HasPrefix(got[0], "MESSAGE\nsubscription:1\ndestination:/topic/a\n") {
		t.Errorf("got %q", got)
	}
	if got := a2.read(); len(got) != 1 || !strings.HasPrefix(got[0], "MESSAGE\nsubscription:2\ndestination:/topic/a\n") {
		t.Errorf("got %q", got)
	}
	if got := c1.read(); got != nil {
		t.Errorf("got %q", got)
	}
	a0.unsubscribe()
	b.deliver(bus.Envelope{Destination: "/topic/a"})
	if got := a0.read(); got != nil {
		t.Errorf("after the end: %q", got)
	}
	if got := a2.read(); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

func TestMessageIDsAreUnique(t *testing.T) {
	b := newFakeBus()
	r := newRig(t, 2, b, b)
	s := r.subscribe(0, "1", "/topic/a")
	for range 100 {
		b.deliver(bus.Envelope{Destination: "/topic/a"})
	}
	seen := map[string]bool{}
	for i, frame := range s.read() {
		_, rest, _ := strings.Cut(frame, "\nmessage-id:")
		id, _, _ := strings.Cut(rest, "\n")
		seen[id] = true
		r.do(1, func(l *Local) {
			if seq, ok := l.Seq(id); !ok || seq != s.seqs[i] {
				t.Errorf("%s is message %d (%v), want %d", id, seq, ok, s.seqs[i])
			}
		})
	}
	if len(seen) != 100 {
		t.Errorf("%d ids of 100 messages", len(seen))
	}
	b = newFakeBus()
	other := newRig(t, 1, b, b)
	for id := range seen {
		if _, ok := other.router.seqOf(id); ok {
			t.Fatalf("another node takes %s for its own", id)
		}
	}
}

// TestOrder: messages to a destination come in the order of the bus to every subscriber, whatever
// loop it is on.
func TestOrder(t *testing.T) {
	const loops, destinations, messages = 4, 8, 2000
	b := newFakeBus()
	r := newRig(t, loops, b, b)
	var readers []*reader
	for i := range 2 * loops * destinations {
		readers = append(readers, r.subscribe(i%loops, fmt.Sprint(i%3), fmt.Sprint("/topic/", i/loops%destinations)))
	}
	var wg sync.WaitGroup
	for d := range destinations { // the bus may deliver on several goroutines
		wg.Go(func() {
			for i := range messages {
				b.deliver(bus.Envelope{Destination: fmt.Sprint("/topic/", d), Body: fmt.Append(nil, i)})
			}
		})
	}
	wg.Wait()
	r.wait()
	for _, s := range readers {
		got := s.read()
		if len(got) != messages {
			t.Fatalf("%s on loop %d has %d messages", s.Destination, s.loop, len(got))
		}
		for i, frame := range got {
			if !strings.HasSuffix(frame, fmt.Sprintf("\n\n%d\x00", i)) {
				t.Fatalf("%s on loop %d: message %d is %q", s.Destination, s.loop, i, frame)
			}
		}
	}
}

// person is a session that keeps what it receives.
type person struct {
	principal string
	got       []*Message
}

func (p *person) Principal() string { return p.principal }

func (p *person) Receive(m *Message) { p.got = append(p.got, m) }

func TestIndividual(t *testing.T) {
	b := newFakeBus()
	r := newRig(t, 3, b, b)
	connected := time.Now()
	people, ids := map[string]*person{}, map[registry.SessionID]bool{}
	for i := range 30 {
		r.do(i%3, func(l *Local) {
			p := &person{}
			id := l.Join(p)
			p.principal = r.router.node.Principal(id, connected)
			people[p.principal], ids[id] = p, true
		})
	}
	if len(ids) != 30 {
		t.Fatalf("%d ids of 30 sessions", len(ids))
	}
	for principal, p := range people {
		b.deliver(bus.Envelope{Principal: principal, Destination: "/queue/x"})
		r.wait()
		for other, q := range people {
			if want := other == principal; want != (len(q.got) == 1) {
				t.Fatalf("a message for %s: %s has %d", principal, other, len(q.got))
			}
		}
		if got := p.got[0].Destination; got != "/session/queue/x" {
			t.Fatalf("destination %s", got)
		}
		p.got = nil
	}
	for id := range ids {
		r.do(int(uint64(id)%3), func(l *Local) { l.Leave(id) })
	}
	for principal, p := range people {
		b.deliver(bus.Envelope{Principal: principal, Destination: "/queue/x"})
		r.wait()
		if p.got != nil {
			t.Errorf("%s has left and still receives", principal)
		}
	}
}

// On a bus that brings everything, subscriptions made early are live when the bus is.
func TestLive(t *testing.T) {
	b := newFakeBus()
	b.late = true
	r := newRig(t, 2, b, b)
	s, left := r.subscribe(0, "1", "/topic/a"), r.subscribe(1, "2", "/topic/left")
	left.unsubscribe()
	var told []error
	r.do(1, func(l *Local) { l.WhenLive(func(err error) { told = append(told, err) }) })
	if s.ready != nil || told != nil || r.router.Live() {
		t.Fatal("ready before the bus is")
	}
	b.ready()
	r.wait()
	if !slices.Equal(s.ready, []error{nil}) || !slices.Equal(told, []error{nil}) || !r.router.Live() {
		t.Fatalf("subscription: %v, individual: %v", s.ready, told)
	}
	if !slices.Equal(left.ready, []error{nil}) {
		t.Errorf("one that has ended meanwhile is told %v", left.ready)
	}
	late := r.subscribe(1, "2", "/topic/b")
	r.do(0, func(l *Local) { l.WhenLive(func(err error) { told = append(told, err) }) })
	if !slices.Equal(late.ready, []error{nil}) || len(told) != 2 {
		t.Fatalf("subscription: %v, individual: %v", late.ready, told)
	}
}

// TestSubscribersComeAndGo has sessions subscribe and leave while messages come.
func TestSubscribersComeAndGo(t *testing.T) {
	b := newFakeBus()
	r := newRig(t, 2, b, b)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			b.deliver(bus.Envelope{Destination: fmt.Sprint("/topic/", i%3), Body: []byte("x")})
		}
	})
	for i := range 50 {
		s := r.subscribe(i%2, fmt.Sprint(i), fmt.Sprint("/topic/", i%3))
		s.unsubscribe()
		r.do(s.loop, func(l *Local) {
			if list := l.table.exact[s.Destination]; len(list) != 0 {
				t.Errorf("%d subscriptions left", len(list))
			}
		})
	}
}
