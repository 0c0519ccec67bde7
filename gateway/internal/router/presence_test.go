package router

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// TestTakePresence: what nodes tell of who is where reaches presence alone, and not even that when it was published before or to a session.
func TestTakePresence(t *testing.T) {
	b := bustest.NewFake()
	r := newRig(t, 1, b, b)
	own := r.subscribe(0, "1", "$presence/topic/a") // which policy refuses
	other := r.subscribe(0, "2", "$presences")
	publish := func() {
		b.Deliver(bus.Envelope{Destination: "$presence/topic/a"})
		b.Deliver(bus.Envelope{Destination: "$presence/topic/b", Principal: r.router.node.String() + "/00000001/x"})
		b.Deliver(bus.Envelope{Destination: "$presence/topic/c", Mark: &bus.Mark{Past: true}})
		b.Deliver(bus.Envelope{Destination: "$presence/topic/d", Mark: &bus.Mark{Hole: true}})
		b.Deliver(bus.Envelope{Destination: "$presence", Mark: &bus.Mark{}})
		b.Deliver(bus.Envelope{Destination: "$presences"})
	}
	publish() // nobody wants it
	var took []string
	r.router.TakePresence(func(_ context.Context, e bus.Envelope) { took = append(took, e.Destination) })
	publish()
	if want := []string{"$presence/topic/a", "$presence"}; !slices.Equal(took, want) {
		t.Errorf("took %q, want %q", took, want)
	}
	if got := own.read(); len(got) != 0 {
		t.Errorf("a client got %q", got)
	}
	if got := other.read(); len(got) != 2 {
		t.Errorf("a client got %q", got)
	}
}

// TestAudiences: each subscription gets what is for its audience, nothing is watched, and a frame is packed once for all alike.
func TestAudiences(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRig(t, 1, b.Fake, b)
	attach := func(id string, to Audience) *reader {
		s := &reader{rig: r, Subscription: Subscription{ID: id, Destination: "/presence/a", Version: 2, Framing: bare{}}}
		s.Outlet = s
		r.do(0, func(l *Local) { l.Attach(&s.Subscription, to) })
		return s
	}
	one, two, other := attach("1", 1), attach("2", 1), attach("1", 2)
	m := r.router.Message(bus.Envelope{Destination: "/presence/a", Body: []byte("x")})
	r.do(0, func(l *Local) { l.Hand(m, 1); l.Hand(m, 2); l.Hand(m, 3) })
	r.do(0, func(l *Local) { l.Deliver(m, &one.Subscription, &two.Subscription) })
	for i, want := range map[*reader]int{one: 2, two: 2, other: 1} {
		if got := i.read(); len(got) != want {
			t.Errorf("%s got %q, want %d", i.ID, got, want)
		}
	}
	if n := r.router.Delivered(); n != 5 {
		t.Errorf("%d delivered", n)
	}
	for _, s := range []*reader{two, one, other} {
		r.do(0, func(l *Local) { l.Detach(&s.Subscription) })
	}
	r.do(0, func(l *Local) {
		if n := l.Count("/presence/a"); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
	b.WantCalls(t)
}

// TestWatchOfPresence: where the bus brings only what is asked for, it is asked, and may refuse; elsewhere all comes once it is live.
func TestWatchOfPresence(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRig(t, 1, b.Fake, b)
	var told []error
	tell := func(err error) { told = append(told, err) }
	r.router.Watch("$presence/a", tell)
	no := errors.New("no")
	b.Watcher("$presence/a")(nil)
	b.Watcher("$presence/a")(no)
	r.router.Unwatch("$presence/a")
	b.WantCalls(t, "watch $presence/a", "unwatch $presence/a")
	if !slices.Equal(told, []error{nil, no}) {
		t.Errorf("told %v", told)
	}

	told = nil
	all := bustest.NewFake()
	all.Late = true
	r = newRig(t, 1, all, all)
	r.router.Watch("$presence/a", tell)
	if told != nil {
		t.Error("told before the bus is ready")
	}
	all.Ready()
	r.router.Watch("$presence/b", tell)
	r.router.Unwatch("$presence/b")
	if !slices.Equal(told, []error{nil, nil}) {
		t.Errorf("told %v", told)
	}
}
