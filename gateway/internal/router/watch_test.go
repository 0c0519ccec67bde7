package router

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// TestWatchOverLoops: the bus is asked once for a destination, whatever loops its subscribers are
// on, and is told when the last has gone.
func TestWatchOverLoops(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRig(t, 2, b.Fake, b)
	one, two := r.subscribe(0, "1", "/topic/a"), r.subscribe(1, "1", "/topic/a")
	b.WantCalls(t, "watch /topic/a")
	if one.ready != nil || two.ready != nil {
		t.Fatal("ready before the bus is")
	}
	b.Watcher("/topic/a")(nil)
	r.wait()
	three := r.subscribe(1, "2", "/topic/a")
	for i, s := range []*reader{one, two, three} {
		if !slices.Equal(s.ready, []error{nil}) {
			t.Errorf("subscription %d is told %v", i, s.ready)
		}
	}
	b.Deliver(bus.Envelope{Destination: "/topic/a", Watch: "/topic/a"})
	for i, s := range []*reader{one, two, three} {
		if got := s.read(); len(got) != 1 {
			t.Errorf("subscription %d got %q", i, got)
		}
	}
	one.unsubscribe()
	two.unsubscribe()
	b.WantCalls(t)
	three.unsubscribe()
	b.WantCalls(t, "unwatch /topic/a")
	four := r.subscribe(0, "1", "/topic/a")
	b.WantCalls(t, "watch /topic/a")
	if four.ready != nil {
		t.Error("ready by a watch that has ended")
	}
}

func TestWatchErrorOverLoops(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRig(t, 2, b.Fake, b)
	no := errors.New("no")
	one, two := r.subscribe(0, "1", "/topic/a"), r.subscribe(1, "1", "/topic/a")
	b.Watcher("/topic/a")(no)
	r.wait()
	three := r.subscribe(0, "2", "/topic/a")
	for i, s := range []*reader{one, two, three} {
		if !slices.Equal(s.ready, []error{no}) {
			t.Errorf("subscription %d is told %v", i, s.ready)
		}
		s.unsubscribe()
	}
	b.WantCalls(t, "watch /topic/a")
	r.subscribe(0, "1", "/topic/a") // all have left: it is tried again
	b.WantCalls(t, "watch /topic/a")
}

// TestTakenBack: when the bus takes back what it has granted, all subscribers hear of it, by pattern too,
// and leave nothing behind; the next one asks it anew.
func TestTakenBack(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRig(t, 2, b.Fake, b)
	no := errors.New("no")
	one, two, pattern := r.subscribe(0, "1", "/topic/a"), r.subscribe(1, "1", "/topic/a"), r.subscribe(1, "2", "/topic/**")
	other := r.subscribe(0, "3", "/other")
	b.WantCalls(t, "watch /topic/a", "watch /topic/**", "watch /topic", "watch /other")
	for _, watch := range []string{"/topic/a", "/topic", "/topic/**", "/other"} {
		b.Watcher(watch)(nil)
	}
	r.wait()
	tell := b.Watcher("/topic/a")
	tell(no)
	r.wait()
	b.WantCalls(t) // it has nothing to unwatch
	b.Watcher("/topic/**")(no)
	r.wait()
	for i, s := range []*reader{one, two, pattern} {
		if s.ended != 1 || !slices.Equal(s.ready, []error{nil}) {
			t.Errorf("subscription %d was told %d times, and at first %v", i, s.ended, s.ready)
		}
	}
	if other.ended != 0 {
		t.Error("another subscription has ended")
	}
	b.WantCalls(t, "unwatch /topic") // which the pattern needs too
	b.Deliver(bus.Envelope{Destination: "/other", Watch: "/other"})
	if got := other.read(); len(got) != 1 {
		t.Errorf("the other got %q", got)
	}
	next := r.subscribe(0, "1", "/topic/a")
	b.WantCalls(t, "watch /topic/a")
	tell(no) // late, of the watch before
	r.wait()
	b.Watcher("/topic/a")(nil)
	r.wait()
	if next.ended != 0 || !slices.Equal(next.ready, []error{nil}) {
		t.Errorf("the next was told %v, and ended %d times", next.ready, next.ended)
	}
	next.unsubscribe()
	b.WantCalls(t, "unwatch /topic/a")
	other.unsubscribe()
	if len(r.router.interest) != 0 {
		t.Errorf("still watched: %v", r.router.interest)
	}
}

// TestManyTakenBack: so many end that it takes several turns of the loop, which others may leave in.
func TestManyTakenBack(t *testing.T) {
	b := bustest.NewFakeNarrower()
	r := newRig(t, 1, b.Fake, b)
	var all []*reader
	for range endsAtOnce + 10 {
		all = append(all, r.subscribe(0, "1", "/topic/a"))
	}
	b.Watcher("/topic/a")(nil)
	b.Watcher("/topic/a")(errors.New("no"))
	r.wait()
	for i, s := range all {
		if s.ended != 1 {
			t.Fatalf("subscription %d was told %d times", i, s.ended)
		}
	}
	if len(r.router.interest) != 0 {
		t.Errorf("still watched: %v", r.router.interest)
	}
}

// countBus holds that a destination is watched once at a time. It answers after a while, and one
// destination can't be watched.
type countBus struct {
	*bustest.Fake
	t       *testing.T
	answers sync.WaitGroup
	mu      sync.Mutex
	watched map[string]bool
}

func (b *countBus) Watch(destination string, ready func(error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watched[destination] {
		b.t.Errorf("%s is watched twice", destination)
	}
	b.watched[destination] = true
	b.answers.Go(func() {
		if destination == "/topic/0" {
			b.mu.Lock()
			delete(b.watched, destination)
			b.mu.Unlock()
			ready(errors.New("no"))
			return
		}
		ready(nil)
	})
}

func (b *countBus) Unwatch(destination string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.watched, destination)
}

// TestWatchesComeAndGo has subscribers of few destinations and patterns come and go on several loops while
// messages come. Each is answered once, and in the end nothing is watched.
func TestWatchesComeAndGo(t *testing.T) {
	for kind, names := range map[string][]string{
		"destinations": {"/topic/0", "/topic/1", "/topic/2"}, // the bus can't watch the first
		"patterns":     {"/t/**", "/t", "/t/*", "/t/a*", "/*/a", "/topic/0"},
	} {
		t.Run(kind, func(t *testing.T) {
			b := &countBus{Fake: bustest.NewFake(), t: t, watched: map[string]bool{}}
			r := newRig(t, 4, b.Fake, b)
			left := make([][]*reader, len(r.loops))
			var wg sync.WaitGroup
			for i := range r.loops {
				wg.Go(func() {
					for k := range 200 {
						left[i] = append(left[i], r.subscribe(i, fmt.Sprint(k), names[(k+i)%len(names)]))
						b.Deliver(bus.Envelope{Destination: "/t/a", Watch: []string{"/t/*", "/t/**", "/*/a", "/t/a"}[k%4]})
						if k%7 < 4 {
							left[i][0].unsubscribe()
							left[i] = left[i][1:]
						}
					}
				})
			}
			wg.Wait()
			b.answers.Wait()
			r.wait()
			for _, s := range slices.Concat(left...) {
				if len(s.ready) != 1 || (s.ready[0] != nil) != (s.Destination == "/topic/0") {
					t.Errorf("%s is told %v", s.Destination, s.ready)
				}
				s.unsubscribe()
			}
			if len(b.watched) != 0 || len(r.router.interest) != 0 {
				t.Errorf("still watched: %v, %v", b.watched, r.router.interest)
			}
		})
	}
}
