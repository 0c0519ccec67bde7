package router

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/destination"
)

func matcher(t *testing.T, s string) *destination.Matcher {
	t.Helper()
	if s == "" {
		return nil
	}
	m, err := destination.NewMatcher(s)
	if err != nil {
		t.Fatal(err)
	}
	return &m
}

// TestNames: destinations and patterns of all loops come once and in order, page after page, and go with their last
// subscription.
func TestNames(t *testing.T) {
	t.Run("all", func(t *testing.T) { b := bustest.NewFake(); testNames(t, newRig(t, 2, b, b)) })
	t.Run("narrower", func(t *testing.T) { b := bustest.NewFakeNarrower(); testNames(t, newRig(t, 2, b.Fake, b)) })
}

func testNames(t *testing.T, r *rig) {
	var all []*reader
	for i, name := range []string{"/topic/b", "/topic/a", "/topic/a", "/topic/room-*", "/topic/x/**", "/topic/room-*", "/topic/c", "/topic/*", "/queue/z", "/topic/\xff"} {
		all = append(all, r.subscribe(i%2, fmt.Sprint(i), name))
	}
	want := func(match, after string, most int, more bool, names ...string) {
		t.Helper()
		if got, others := r.router.Names(t.Context(), matcher(t, match), after, most); !slices.Equal(got, names) || others != more {
			t.Errorf("%q behind %q: %q, %v, want %q, %v", match, after, got, others, names, more)
		}
	}
	// /topic/x is what /topic/x/** has to watch besides: it has no subscriber.
	want("", "", 100, false, "/queue/z", "/topic/*", "/topic/a", "/topic/b", "/topic/c", "/topic/room-*", "/topic/x", "/topic/x/**")
	want("", "", 3, true, "/queue/z", "/topic/*", "/topic/a")
	want("", "/topic/a", 3, true, "/topic/b", "/topic/c", "/topic/room-*")
	want("", "/topic/room-*", 3, false, "/topic/x", "/topic/x/**")
	want("", "/topic/ab", 1, true, "/topic/b")
	want("", "/z", 3, false)
	want("/topic/*", "", 100, false, "/topic/*", "/topic/a", "/topic/b", "/topic/c", "/topic/room-*", "/topic/x")
	want("/topic/room-*", "", 100, false, "/topic/room-*")
	want("/topic/a", "", 100, false, "/topic/a")
	want("/**", "/topic/c", 100, false, "/topic/room-*", "/topic/x", "/topic/x/**")
	counts := map[string]int{}
	for i := range r.loops {
		r.do(i, func(l *Local) {
			for _, name := range []string{"/topic/a", "/topic/room-*", "/topic/x", "/topic/x/**", "/elsewhere"} {
				counts[name] += l.Count(name)
			}
		})
	}
	if fmt.Sprint(counts) != "map[/elsewhere:0 /topic/a:2 /topic/room-*:2 /topic/x:0 /topic/x/**:1]" {
		t.Error(counts)
	}
	for _, s := range all[1:] {
		s.unsubscribe()
	}
	want("", "", 100, false, "/topic/b")
	all[0].unsubscribe()
	want("", "", 100, false)
	if len(r.router.known) > 0 {
		t.Errorf("%d patterns are known", len(r.router.known))
	}
}

// TestNamesOfMany: of 100,000 destinations a page is read while others come and go, and whoever subscribes waits for a portion
// at most.
func TestNamesOfMany(t *testing.T) {
	const many = 100_000
	b := bustest.NewFake()
	r := newRig(t, 1, b, b)
	var subs []*Subscription
	r.do(0, func(l *Local) {
		for i := range many {
			s := &Subscription{Destination: fmt.Sprintf("/topic/%06d", i)}
			l.Subscribe(s, func(error) {})
			subs = append(subs, s)
		}
	})
	for _, page := range []int{0, 1, 57, 99} {
		after := ""
		if page > 0 {
			after = fmt.Sprintf("/topic/%06d", page*1000-1)
		}
		names, more := r.router.Names(t.Context(), nil, after, 1000)
		if len(names) != 1000 || names[0] != fmt.Sprintf("/topic/%06d", page*1000) || names[999] != fmt.Sprintf("/topic/%06d", page*1000+999) || more != (page < 99) {
			t.Errorf("page %d has %d names, and more: %v", page, len(names), more)
		}
	}

	seen := 0
	var done chan struct{}
	inPortions(t.Context(), &r.router.mu, r.router.interest, func(*interest) {
		if !r.router.mu.TryLock() {
			t.Error("somebody looks while the index is locked")
			return
		}
		r.router.mu.Unlock()
		if seen++; seen == 1000 {
			done = make(chan struct{})
			r.loops[0].Post(func() { // in the middle, the first half goes
				for _, s := range subs[:many/2] {
					r.router.Local(0).Unsubscribe(s)
				}
				close(done)
			})
			<-done
		}
	})
	if seen < many/2 || seen >= many {
		t.Errorf("%d of %d seen, of which half went early", seen, many)
	}
	names, _ := r.router.Names(t.Context(), nil, "", 10)
	if len(names) != 10 || names[0] != fmt.Sprintf("/topic/%06d", many/2) {
		t.Errorf("the first are %q", names)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	seen = 0
	if inPortions(ctx, &r.router.mu, r.router.interest, func(*interest) { seen++ }); seen > namesAtOnce {
		t.Errorf("nobody wants to know, and %d are read", seen)
	}
}
