package router

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/registry"
)

func TestMessageIDsAreUnique(t *testing.T) {
	b := bustest.NewFake()
	r := newRig(t, 2, b, b)
	s := r.subscribe(0, "1", "/topic/a")
	for range 100 {
		b.Deliver(bus.Envelope{Destination: "/topic/a"})
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
	b = bustest.NewFake()
	other := newRig(t, 1, b, b)
	for id := range seen {
		if _, ok := other.router.Local(0).Seq(id); ok {
			t.Fatalf("another node takes %s for its own", id)
		}
	}
}

// TestOrder: messages to a destination come in the order of the bus, and once, to every subscriber,
// whatever loop it is on and whether it named the destination or a pattern.
func TestOrder(t *testing.T) {
	const loops, destinations, messages = 4, 8, 1000
	b := bustest.NewFake()
	r := newRig(t, loops, b, b)
	var readers []*reader
	for i := range 2 * loops {
		for _, name := range []string{"/t/*", "/t/**", "/*/room*"} {
			readers = append(readers, r.subscribe(i%loops, fmt.Sprint(i%3), name))
		}
		for d := range destinations {
			readers = append(readers, r.subscribe(i%loops, fmt.Sprint(i%3), fmt.Sprint("/t/room", d)))
		}
	}
	var wg sync.WaitGroup
	for d := range destinations { // the bus may deliver on several goroutines
		wg.Go(func() {
			for i := range messages {
				b.Deliver(bus.Envelope{Destination: fmt.Sprint("/t/room", d), Body: fmt.Append(nil, i)})
			}
		})
	}
	wg.Wait()
	r.wait()
	for _, s := range readers {
		next := map[string]int{}
		for _, frame := range s.read() {
			room := header(frame, "destination")
			if !strings.HasSuffix(frame, fmt.Sprintf("\n\n%d\x00", next[room])) {
				t.Fatalf("%s on loop %d: message %d of %s is %q", s.Destination, s.loop, next[room], room, frame)
			}
			next[room]++
		}
		want := map[string]int{s.Destination: messages}
		if s.Pattern != nil {
			want = map[string]int{}
			for d := range destinations {
				want[fmt.Sprint("/t/room", d)] = messages
			}
		}
		if !maps.Equal(next, want) {
			t.Errorf("%s on loop %d got %v, want %v", s.Destination, s.loop, next, want)
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
	b := bustest.NewFake()
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
		b.Deliver(bus.Envelope{Principal: principal, Destination: "/queue/x"})
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
		b.Deliver(bus.Envelope{Principal: principal, Destination: "/queue/x"})
		r.wait()
		if p.got != nil {
			t.Errorf("%s has left and still receives", principal)
		}
	}
}

// On a bus that brings everything, subscriptions made early are live when the bus is.
func TestLive(t *testing.T) {
	b := bustest.NewFake()
	b.Late = true
	r := newRig(t, 2, b, b)
	subs := []*reader{r.subscribe(0, "1", "/topic/a"), r.subscribe(0, "1", "/t/**"), r.subscribe(1, "2", "/topic/left")}
	subs[2].unsubscribe() // it is told all the same
	var told []error
	r.do(1, func(l *Local) { l.WhenLive(func(err error) { told = append(told, err) }) })
	for _, s := range subs {
		if s.ready != nil || told != nil || r.router.Live() {
			t.Fatal("ready before the bus is")
		}
	}
	b.Ready()
	r.wait()
	subs = append(subs, r.subscribe(1, "2", "/topic/b"))
	for _, s := range subs {
		if !slices.Equal(s.ready, []error{nil}) {
			t.Errorf("%s is told %v", s.Destination, s.ready)
		}
	}
	r.do(0, func(l *Local) { l.WhenLive(func(err error) { told = append(told, err) }) })
	if !slices.Equal(told, []error{nil, nil}) || !r.router.Live() {
		t.Errorf("of individual messages is told %v", told)
	}
}
