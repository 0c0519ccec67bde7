package history

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// TestHoleWhileItReads: who has yet to read what came before a hole, and what came behind it, hears of the hole between the two, whatever the log
// is and whether it goes on; who begins later does not.
func TestHoleWhileItReads(t *testing.T) {
	for name, hole := range map[string]struct {
		destination string
		at          bus.Position
	}{
		"its log":     {"/topic/a", bus.Position{Log: 7, Offset: 5}},
		"a log":       {"", bus.Position{Log: 7, Offset: 5}},
		"another log": {"", bus.Position{Log: 8, Offset: 5}},
		"a log ended": {"", bus.Position{Log: 8, Offset: bus.Ended}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(1<<20, wide)
			begun := w.store.Mark(w.name)
			w.live(7, 1)
			w.live(7, 2)
			c, _ := w.store.Last(w.name, 100, nil)
			w.store.Hole(hole.destination, hole.at)
			w.live(7, 6)
			later, _ := w.store.Last(w.name, 100, nil)
			w.live(7, 7)
			wantHoleBefore(t, c, 3, 4)
			wantHoleBefore(t, w.store.From(w.name, begun, nil), 3, 4)
			wantHoleBefore(t, later, 0, 0)
			wantHoleBefore(t, w.store.From(w.name, w.store.Mark(w.name), nil), 0, 0)
		})
	}
}

// wantHoleBefore reads to the end, where so many messages have to come, and a hole has to be told before one of them; 0 is none.
func wantHoleBefore(t *testing.T, c *Cursor[note], number, count int) {
	t.Helper()
	at, n := 0, 0
	for {
		_, _, lost, ok := c.Next()
		if !ok {
			break
		}
		if n++; lost {
			at = n
		}
	}
	if at != number || count > 0 && n != count {
		t.Errorf("the hole is told before message %d of %d, want %d of %d", at, n, number, count)
	}
}

// TestHoleMoves: a hole stays between the messages between which it was, also when something that is Past comes elsewhere, and when a log loses
// what was behind it.
func TestHoleMoves(t *testing.T) {
	w := newWriter(1<<20, wide)
	w.live(7, 11)
	w.live(8, 1)
	c, _ := w.store.Last(w.name, 100, nil)
	w.store.Hole(w.name, bus.Position{Log: 7, Offset: 12})
	w.live(7, 13)
	w.past(7, 10, time.Second)
	w.past(9, 1, time.Second) // behind it, as nothing says where it belongs
	wantHoleBefore(t, c, 3, 4)

	begun := w.store.Mark(w.name)
	w.live(8, 2)
	w.store.Hole(w.name, bus.Position{Log: 7, Offset: 14})
	w.live(7, 15)
	w.live(8, 3)
	w.append(bus.Mark{At: bus.Position{Log: 7, Term: 2, Offset: 15}})
	wantHoleBefore(t, w.store.From(w.name, begun, nil), 2, 3)
}

// TestNothingToRead: one who has nothing to read yet reads what comes before he looks, be it the first of its destination, or while memory is short.
func TestNothingToRead(t *testing.T) {
	for name, begin := range map[string]func(*writer) *Cursor[note]{
		"now":         func(w *writer) *Cursor[note] { return w.store.From(w.name, w.store.Mark(w.name), nil) },
		"at the last": func(w *writer) *Cursor[note] { c, _ := w.store.Last(w.name, 10, nil); return c },
		"where he was": func(w *writer) *Cursor[note] {
			c, _, _ := w.after(Place{After: []bus.Position{{Log: 7, Offset: 1}}, Told: time.Now()})
			return c
		},
	} {
		for _, had := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, had some: %t", name, had), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWriter(1<<20, wide)
					if had { // and has no more
						w.live(7, 1)
						time.Sleep(wide.TTL)
						w.store.Sweep()
					}
					c := begin(w)
					w.store.SetLimit(0)
					w.store.SetLimit(1 << 20)
					w.live(7, 2)
					wantRead(t, name, c, 2)
				})
			})
		}
	}
}

// TestNoRingForReaders: of a destination of which nothing is known nothing is left when its readers have gone.
func TestNoRingForReaders(t *testing.T) {
	w := newWriter(1<<20, wide)
	first, second := w.store.From(w.name, Mark{}, nil), w.store.From(w.name, Mark{}, nil)
	first.Close()
	if f := w.store.Figures(); f.Rings != 1 {
		t.Errorf("with a reader there is %+v", f)
	}
	wantRead(t, "the second", second)
	if f := w.store.Figures(); f.Rings != 0 || f.Bytes != 0 {
		t.Errorf("without readers there is %+v", f)
	}
}
