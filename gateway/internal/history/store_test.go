package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/bus"
)

var wide = Limits{Size: 100, TTL: time.Hour}

func wantRead(t *testing.T, what string, c *Cursor[note], want ...uint64) {
	t.Helper()
	if got, _, lost := read(c); !slices.Equal(got, want) || lost {
		t.Errorf("%s: read %d, lost %t; want %d", what, got, lost, want)
	}
}

// TestResume: who comes back to a place gets what has come since, and one who has got all gets nothing.
func TestResume(t *testing.T) {
	w := newWriter(1<<20, wide)
	for offset := range uint64(5) {
		w.live(7, offset+1)
	}
	for n, place := range w.placed {
		p, ok := ParsePlace(place)
		if !ok {
			t.Fatal(place)
		}
		c, replayed, whole := w.after(p)
		if !whole || replayed != 4-n {
			t.Fatalf("behind message %d: %d are replayed, whole %t", n+1, replayed, whole)
		}
		wantRead(t, fmt.Sprint("behind message ", n+1), c, []uint64{1, 2, 3, 4, 5}[n+1:]...)
		if c.Latest() != 5 {
			t.Errorf("it goes on behind message %d", c.Latest())
		}
	}
}

// TestResumeOfManyLogs: a destination that comes from several logs, whose messages reach nodes in any order, has each once.
func TestResumeOfManyLogs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	nodes := []*writer{newWriter(1<<20, wide), newWriter(1<<20, wide)}
	for round := range 200 {
		logs := [3]uint64{}
		at := [2][3]uint64{}
		places := [2][]Place{}
		for n := range nodes {
			nodes[n].name = fmt.Sprint("/topic/", round)
		}
		for range 30 {
			if random.IntN(2) == 0 {
				logs[random.IntN(3)]++
			}
			n, log := random.IntN(2), random.IntN(3)
			if at[n][log] < logs[log] {
				at[n][log]++
				nodes[n].live(uint64(log+1), at[n][log])
				p, _ := ParsePlace(nodes[n].placed[len(nodes[n].placed)-1])
				places[n] = append(places[n], p)
			}
		}
		// Both come to the end, as a resume waits for.
		for n := range nodes {
			for log := range logs {
				for at[n][log] < logs[log] {
					at[n][log]++
					nodes[n].live(uint64(log+1), at[n][log])
				}
			}
		}
		for n, list := range places {
			for _, p := range list {
				c, replayed, whole := nodes[1-n].after(p)
				want := int(logs[0] + logs[1] + logs[2])
				for _, seen := range p.After {
					want -= int(seen.Offset)
				}
				got, _, lost := read(c)
				if !whole || lost || replayed != want || len(got) != want {
					t.Fatalf("round %d: from %+v on are read %d, told %d, want %d", round, p, len(got), replayed, want)
				}
			}
		}
	}
}

// TestFloors: what has gone for whatever reason is not passed over in silence.
func TestFloors(t *testing.T) {
	place := func(offset uint64) Place {
		return Place{After: []bus.Position{{Log: 7, Term: 1, Offset: offset}}, Told: time.Now()}
	}
	for _, test := range []struct {
		name  string
		run   func(w *writer)
		floor uint64 // the first place that is whole
	}{
		{"too many", func(w *writer) { w.limits.Size = 3; w.live(7, 11) }, 8},
		{"too old", func(w *writer) { w.limits.TTL = time.Minute; time.Sleep(time.Minute); w.store.Sweep(); w.live(7, 11) }, 10},
		{"all too old", func(w *writer) {
			w.limits.TTL = time.Minute
			w.live(7, 11)
			time.Sleep(2 * time.Minute)
			w.store.Sweep()
		}, 11},
		{"a hole in the destination", func(w *writer) { w.store.Hole(w.name, bus.Position{Log: 7, Offset: 6}) }, 6},
		{"a hole in the log", func(w *writer) { w.store.Hole("", bus.Position{Log: 7, Offset: 6}) }, 6},
		{"a hole elsewhere", func(w *writer) {
			w.store.Hole("", bus.Position{Log: 8, Offset: 6})
			w.store.Hole("/topic/b", bus.Position{Log: 7, Offset: 6})
		}, 0},
		{"short of memory", func(w *writer) { w.store.SetLimit(ringSize + logSize + len(w.name) + 2*(entrySize+100)) }, 8},
		{"the ring has gone", func(w *writer) { w.store.SetLimit(0); w.store.SetLimit(1 << 20) }, 10},
		{"and has come back", func(w *writer) { w.store.SetLimit(0); w.store.SetLimit(1 << 20); w.live(7, 11) }, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriter(1<<20, wide)
				for offset := range uint64(10) {
					w.live(7, offset+1)
				}
				test.run(w)
				for offset := range uint64(12) {
					c, _, whole := w.after(place(offset))
					if whole != (offset >= test.floor) {
						t.Errorf("behind offset %d: whole %t", offset, whole)
					}
					if c != nil {
						c.Close()
					}
				}
			})
		})
	}
}

// TestAnotherMessage: a message in the place where the client saw another one is the sign of a log that has lost its end.
func TestAnotherMessage(t *testing.T) {
	w := newWriter(1<<20, wide)
	for offset := range uint64(5) {
		w.live(7, offset+1)
	}
	p := Place{After: []bus.Position{{Log: 7, Term: 2, Offset: 3}}, Told: time.Now()}
	if _, _, whole := w.after(p); whole {
		t.Error("another message passes for the one that was seen")
	}
	p.After[0].Term = 0
	if _, _, whole := w.after(p); !whole {
		t.Error("a place between messages has no term, and fits each")
	}
}

// TestLostEnd: what a log has lost is not read again, and what came in its place is.
func TestLostEnd(t *testing.T) {
	w := newWriter(1<<20, wide)
	for offset := range uint64(10) {
		w.live(7, offset+1)
	}
	w.append(bus.Mark{At: bus.Position{Log: 7, Term: 2, Offset: 6}})
	c, n := w.store.Last(w.name, 100, nil)
	if n != 6 {
		t.Errorf("%d are left, want 6", n)
	}
	wantRead(t, "what is left", c, 1, 2, 3, 4, 5, 6)
	p := Place{After: []bus.Position{{Log: 7, Term: 1, Offset: 6}}, Told: time.Now()}
	if _, _, whole := w.after(p); whole {
		t.Error("one who has seen what was lost goes on as if nothing had been")
	}
}

// TestEndedMeanwhile: a place in a log that has ended since the bus was asked about it is not whole, whatever came of the next log, and
// whether anything of the destination was kept by then or not. Nor is one in a log that has had a hole of all destinations.
func TestEndedMeanwhile(t *testing.T) {
	for _, hole := range []struct {
		of     string
		offset uint64
	}{{"", bus.Ended}, {"/topic/a", bus.Ended}, {"/topic/other", bus.Ended}, {"", 3}} {
		for _, had := range []bool{false, true} {
			w := newWriter(1<<20, wide)
			w.live(6, 1)
			if !had {
				w.store.Forget(w.name)
			}
			p := Place{After: []bus.Position{{Log: 7, Term: 1, Offset: 1}}, Told: time.Now()}
			mark := w.store.Mark(w.name)
			w.store.Hole(hole.of, bus.Position{Log: 7, Offset: hole.offset})
			w.live(8, 1)
			if _, _, whole := w.store.After(w.name, p, mark, nil); whole {
				t.Errorf("a hole of %+v, had some: %t: one goes on from before", hole, had)
			}
			p.After[0].Log = 8
			if _, _, whole := w.after(p); !whole && hole.offset == bus.Ended {
				t.Errorf("a hole of %+v, had some: %t: nobody goes on in the next log", hole, had)
			}
		}
	}
}

// TestHoleBeforeRing: a hole that lies before the first message that is kept counts for that.
func TestHoleBeforeRing(t *testing.T) {
	w := newWriter(1<<20, wide)
	w.store.Hole(w.name, bus.Position{Log: 7, Offset: 5})
	w.store.Hole("/topic/other", bus.Position{Log: 7, Offset: bus.Ended})
	w.live(7, 6)
	for after, want := range map[uint64]bool{4: false, 5: true} {
		p := Place{After: []bus.Position{{Log: 7, Offset: after}}, Told: time.Now()}
		if _, _, whole := w.after(p); whole != want {
			t.Errorf("from %d on it is %v, want %v", after, whole, want)
		}
	}
	w.store.Forget(w.name)
	if f := w.store.Figures(); f.Rings != 0 || f.Bytes != 0 {
		t.Errorf("the store holds %+v in the end", f)
	}
}

// TestOver: what is on its way when its destination is forgotten is not kept, nor handed on.
func TestOver(t *testing.T) {
	w := newWriter(1<<20, wide)
	w.live(7, 1)
	w.over.Store(true)
	w.store.Forget(w.name)
	w.live(7, 2)
	if f := w.store.Figures(); f.Rings != 0 || f.Bytes != 0 || len(w.placed) != 1 {
		t.Errorf("the store holds %+v, and %d were handed on", f, len(w.placed))
	}
}

// TestPlaceWhileLosing: a place that somebody has asked for stays what it was while a log loses its end, at any moment (run it with -race).
func TestPlaceWhileLosing(t *testing.T) {
	w := newWriter(1<<20, Limits{100, time.Minute})
	w.live(1, 9)
	c := w.store.From(w.name, Mark{}, nil)
	defer c.Close()
	c.Next()
	p := c.Place()
	was := p.String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for offset := uint64(8); offset > 0; offset-- {
			w.live(1, offset)
		}
	}()
	for range 1000 {
		_, _ = c.Place().String(), c.Prior().String()
	}
	<-done
	if now := p.String(); now != was || c.Place().String() == was {
		t.Errorf("a place that was %s is %s, and one stands at %s after a loss", was, now, c.Place())
	}
}

// TestEndedLog: a log that is no more leaves nothing, and who comes from there is the bus's to judge.
func TestEndedLog(t *testing.T) {
	w := newWriter(1<<20, wide)
	w.live(7, 1)
	w.live(8, 1)
	open, _ := w.store.Last(w.name, 10, nil)
	w.store.Hole("", bus.Position{Log: 7, Offset: bus.Ended})
	if _, _, lost := read(open); !lost {
		t.Error("who was about to read of it is not told")
	}
	c, n := w.store.Last(w.name, 10, nil)
	if p := c.Place(); n != 1 || of(p.After, 7) >= 0 {
		t.Errorf("%d are left, at %+v", n, p)
	}
}

// TestPast: what is older than what came live goes before it, once, however late it is brought.
func TestPast(t *testing.T) {
	w := newWriter(1<<20, wide)
	mark := w.store.Mark(w.name)
	w.live(7, 10)
	w.live(7, 12)
	open, _ := w.store.Last(w.name, 1, nil)
	for _, offset := range []uint64{3, 5, 5, 10, 8, 12} {
		w.past(7, offset, time.Minute)
	}
	wantRead(t, "one who was at the last", open, 12)
	c, n := w.store.Last(w.name, 100, nil)
	if n != 5 {
		t.Errorf("%d are kept, want 5", n)
	}
	wantRead(t, "all", c, 3, 5, 8, 10, 12)
	c = w.store.From(w.name, mark, nil)
	if at := c.Place().After; len(at) != 1 || at[0].Offset < 8 || at[0].Offset > 9 {
		t.Errorf("who has come before message 10 stands at %+v", at)
	}
	wantRead(t, "one who has come before all that is live", c, 10, 12)
}

// TestPastIsShort: what does not fit is not put before what is kept, and is missing.
func TestPastIsShort(t *testing.T) {
	w := newWriter(1<<20, Limits{Size: 3, TTL: time.Hour})
	for _, offset := range []uint64{10, 11, 12} {
		w.live(7, offset)
	}
	w.past(7, 9, time.Minute)
	w.past(7, 8, 2*time.Hour)
	c, n := w.store.Last(w.name, 100, nil)
	if n != 3 {
		t.Errorf("%d are kept, want 3", n)
	}
	wantRead(t, "all", c, 10, 11, 12)
	for offset, want := range map[uint64]bool{8: false, 9: true, 10: true} {
		c, _, whole := w.after(Place{After: []bus.Position{{Log: 7, Offset: offset}}, Told: time.Now()})
		if whole != want {
			t.Errorf("behind %d: whole %t", offset, whole)
		}
		if c != nil {
			c.Close()
		}
	}
}

// TestPinned: what somebody is about to read goes neither with age nor with number, but when memory is short, and then he is told.
func TestPinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(1<<20, Limits{Size: 3, TTL: time.Minute})
		for offset := range uint64(3) {
			w.live(7, offset+1)
		}
		c, _ := w.store.Last(w.name, 3, nil)
		other, _ := w.store.Last(w.name, 3, nil)
		for offset := range uint64(3) {
			w.live(7, offset+4)
		}
		time.Sleep(time.Hour)
		w.store.Sweep()
		wantRead(t, "pinned", c, 1, 2, 3, 4, 5, 6)
		w.store.SetLimit(ringSize + logSize + len(w.name) + 2*(entrySize+100))
		if got, _, lost := read(other); !lost || !slices.Equal(got, []uint64{5, 6}) {
			t.Errorf("read %d, lost %t", got, lost)
		}
		time.Sleep(time.Hour)
		w.store.Sweep()
		if f := w.store.Figures(); f.Messages != 0 || f.Evicted != 4 || f.Bytes != ringSize+logSize+len(w.name) {
			t.Errorf("%+v are left when nobody reads any more", f)
		}
	})
}

// TestOldestGoesFirst: of all destinations.
func TestOldestGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(1<<20, wide)
		for n := range uint64(10) {
			time.Sleep(time.Second)
			w.name = fmt.Sprint("/topic/", n)
			w.live(7, n+1)
		}
		f := w.store.Figures()
		w.store.SetLimit(f.Bytes - 3*(entrySize+100))
		for n := range 10 {
			_, have := w.store.Last(fmt.Sprint("/topic/", n), 1, nil)
			if (have == 1) != (n >= 3) {
				t.Errorf("destination %d has %d", n, have)
			}
		}
	})
}

// TestUnknownLogs: what came from a log that a place does not name came after it, but for what had gone long before.
func TestUnknownLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWriter(1<<20, Limits{Size: 1, TTL: time.Minute})
		w.live(8, 1)
		w.live(8, 2)
		time.Sleep(time.Hour)
		p := Place{After: []bus.Position{{Log: 7, Offset: 1}}, Told: time.Now()}
		w.live(7, 2)
		c, n, whole := w.after(p)
		if !whole || n != 1 {
			t.Fatalf("%d, whole %t", n, whole)
		}
		wantRead(t, "what came of a known log", c, 2)
		w.live(8, 3)
		w.live(8, 4)
		if _, _, whole := w.after(p); whole {
			t.Error("what has gone of an unknown log since then is passed over")
		}
	})
}

// TestPlaceAfter: where one stands who has got live what came up to a number, if what came next is still there.
func TestPlaceAfter(t *testing.T) {
	w := newWriter(1<<20, Limits{Size: 5, TTL: time.Hour})
	w.live(7, 1)
	w.live(7, 2)
	w.past(8, 1, time.Second) // of another log, which is being read back
	p, ok := w.store.PlaceAfter(w.name, 1)
	c, n, whole := w.after(p)
	if !ok || !whole || n == 0 {
		t.Errorf("behind number 1 come %d, whole %t, known %t", n, whole, ok)
	}
	c.Close()
	for offset := range uint64(10) {
		w.live(7, offset+3)
	}
	if p, ok := w.store.PlaceAfter(w.name, 5); ok {
		t.Errorf("number 6 has gone, and one stands at %+v", p)
	}
}

// TestLostEndBelowFloor: what a log has after it lost its end is there for all, though more than that had come and gone.
func TestLostEndBelowFloor(t *testing.T) {
	w := newWriter(1<<20, Limits{Size: 3, TTL: time.Hour})
	for offset := range uint64(20) {
		w.live(7, offset+1)
	}
	mark := w.store.Mark(w.name)
	stuck, _ := w.store.Last(w.name, 1, nil)
	for offset := range uint64(3) {
		w.append(bus.Mark{At: bus.Position{Log: 7, Term: 2, Offset: offset + 5}})
	}
	c, n := w.store.Last(w.name, 3, nil)
	if n != 3 {
		t.Errorf("%d are kept, want 3", n)
	}
	wantRead(t, "the last", c, 5, 6, 7)
	wantRead(t, "what came since", w.store.From(w.name, mark, nil), 5, 6, 7)
	if _, _, lost := read(stuck); !lost {
		t.Error("one who was about to read what was lost is not told")
	}
	c, n, whole := w.after(Place{After: []bus.Position{{Log: 7, Term: 2, Offset: 5}}, Told: time.Now()})
	if !whole || n != 2 {
		t.Errorf("behind the first of the new ones: %d, whole %t", n, whole)
	}
	c.Close()
}

// TestSlowReaderIsFirst: what one room keeps beyond its rule, for somebody who does not read, goes before what others keep.
func TestSlowReaderIsFirst(t *testing.T) {
	w := newWriter(1<<20, Limits{Size: 20, TTL: time.Hour})
	for n := range uint64(50) {
		w.name = fmt.Sprint("/topic/quiet/", n)
		w.live(7, n+1)
	}
	w.name = "/topic/busy"
	w.live(8, 1)
	slow, _ := w.store.Last(w.name, 1, nil)
	for offset := range uint64(20_000) {
		w.live(8, offset+2)
	}
	for n := range uint64(50) {
		if _, have := w.store.Last(fmt.Sprint("/topic/quiet/", n), 1, nil); have != 1 {
			t.Fatalf("quiet room %d has %d messages", n, have)
		}
	}
	if _, _, lost := read(slow); !lost {
		t.Error("who does not read is not told what he lost")
	}
}

// TestLastBehindHole: the last messages are those behind a hole.
func TestLastBehindHole(t *testing.T) {
	w := newWriter(1<<20, wide)
	for offset := range uint64(10) {
		w.live(7, offset+1)
	}
	w.store.Hole(w.name, bus.Position{Log: 7, Offset: 8})
	c, n := w.store.Last(w.name, 5, nil)
	if n != 2 {
		t.Errorf("%d are told of", n)
	}
	wantRead(t, "behind the hole", c, 9, 10)
}

// BenchmarkAppend is what it takes to keep a message, in a ring that is full and which so many are about to read from its beginning.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{0, 10_000} {
		b.Run(fmt.Sprint("readers=", n), func(b *testing.B) {
			w := newWriter(64<<20, wide)
			for offset := range uint64(100) {
				w.live(7, offset+1)
			}
			for range n {
				w.store.Last(w.name, 100, nil)
			}
			offset := uint64(100)
			b.ReportAllocs()
			for b.Loop() {
				offset++
				w.placed = nil
				w.live(7, offset)
			}
		})
	}
}

// BenchmarkResume is what 20 messages cost one who comes back, in a ring of 10,000.
func BenchmarkResume(b *testing.B) {
	w := newWriter(64<<20, Limits{Size: 10_000, TTL: time.Hour})
	for offset := range uint64(10_000) {
		w.live(7, offset+1)
	}
	p := Place{After: []bus.Position{{Log: 7, Term: 1, Offset: 9980}}, Told: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		c, _, _ := w.after(p)
		c.Head()
		for _, _, _, ok := c.Next(); ok; {
			_, _, _, ok = c.Next()
		}
	}
}
