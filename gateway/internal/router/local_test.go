package router

import (
	"slices"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
)

// TestSubscribed: a destination has those who subscribed to it and not those whose pattern matches it,
// and a pattern those who subscribed by it, on their own loop.
func TestSubscribed(t *testing.T) {
	b := bustest.NewFake()
	r := newRig(t, 2, b, b)
	var subs []*reader
	for i, text := range []string{"/topic/a", "/topic/a", "/topic/b", "/topic/*", "/topic/*", "/topic/**"} {
		subs = append(subs, r.subscribe(0, string(rune('0'+i)), text))
	}
	r.subscribe(1, "elsewhere", "/topic/a")
	want := func(destination string, want ...string) {
		t.Helper()
		var got []string
		r.do(0, func(l *Local) { l.Subscribed(destination, func(s *Subscription) { got = append(got, s.ID) }) })
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", destination, got, want)
		}
	}
	want("/topic/a", "0", "1")
	want("/topic/b", "2")
	want("/topic/*", "3", "4")
	want("/topic/**", "5")
	want("/topic/c")
	want("/topic/?")
	for _, s := range subs {
		s.unsubscribe()
	}
	want("/topic/a")
	want("/topic/*")
}

// TestRecipient: a session is found by its id, on its own loop, from Join to Leave.
func TestRecipient(t *testing.T) {
	b := bustest.NewFake()
	r := newRig(t, 2, b, b)
	r.do(1, func(l *Local) {
		one, two := &person{}, &person{}
		a, b := l.Join(one), l.Join(two)
		if l.Recipient(a) != Recipient(one) || l.Recipient(b) != Recipient(two) || l.Len() != 2 {
			t.Errorf("of %d sessions, %v and %v are found", l.Len(), l.Recipient(a), l.Recipient(b))
		}
		l.Leave(a)
		if l.Recipient(a) != nil || l.Recipient(b) == nil || l.Len() != 1 {
			t.Errorf("of %d sessions, %v and %v are found", l.Len(), l.Recipient(a), l.Recipient(b))
		}
	})
	r.do(0, func(l *Local) {
		if l.Len() != 0 {
			t.Error("another loop has the sessions")
		}
	})
}
