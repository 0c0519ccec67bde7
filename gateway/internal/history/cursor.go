package history

import (
	"slices"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// Cursor reads what is kept of a destination, from some message on. Until it has come to the end, or is closed, what it has yet to
// read goes only when memory is short.
type Cursor[M Message] struct {
	store *Store[M]

	// Guarded by the store's mu.
	ring  *ring[M] // nil: there is nothing to read, or not any more
	next  int64    // index
	lost  bool     // something had to go that it should have read
	fresh bool     // what is Past is not for it
	hole  uint64   // the last of the store's when it was opened

	head   Place  // of one who begins now, when it was opened
	place  Place  // of one who has read what it has
	last   uint64 // the log of the last message
	prior  Place  // of one who has not read it; of that log alone, nothing if he stood nowhere in it
	latest uint64 // once it has come to the end, the number of the last message before that
}

// Mark is a moment in the life of a ring.
type Mark struct {
	end  int64  // the index of the next message
	hole uint64 // the last of the store's
}

// Mark returns what From takes, of now.
func (s *Store[M]) Mark(destination string) Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rings[destination]; r != nil {
		return Mark{r.end(), s.holes}
	}
	return Mark{s.born, s.holes}
}

// From returns a cursor to what has come since a mark and was not Past. head is where the bus says that one stands who begins now.
func (s *Store[M]) From(destination string, mark Mark, head []bus.Position) *Cursor[M] {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.ring(destination)
	next := min(max(mark.end, r.first), r.end())
	live := next
	for live < r.end() && r.entries[live-r.first].past {
		live++
	}
	c := s.open(r, next, r.placeAt(live, head, now), head, now)
	c.fresh, c.hole, c.lost = true, mark.hole, mark.end < r.first && r.dropped > 0 // which had come since
	return c
}

// Last returns a cursor to the last messages, so many at most, and how many there are without a hole.
func (s *Store[M]) Last(destination string, most int, head []bus.Position) (c *Cursor[M], n int) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.ring(destination)
	s.trim(r, now)
	for n < min(most, len(r.entries)) && !r.isBelowFloor(r.entries[len(r.entries)-1-n].at) {
		n++
	}
	next := r.end() - int64(n)
	return s.open(r, next, r.placeAt(next, head, now), head, now), n
}

// After returns a cursor to what has come after a place, and how many that are. whole is false if something of it has gone, and then there
// is no cursor. That the bus has brought all of it is not the store's to know; so it is false, too, if a log has ended since a mark, or all
// destinations have had a hole, as what the bus was asked at the mark is not true of the next log.
func (s *Store[M]) After(destination string, p Place, mark Mark, head []bus.Position) (c *Cursor[M], n int, whole bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rings[destination]; (r == nil || r.late) && miss(s.forgotten, p) {
		return nil, 0, false
	}
	r := s.ring(destination)
	if s.trim(r, now); r.lacks(p) || max(s.turned, r.turned) > mark.hole {
		return nil, 0, false
	}
	next, n, lacks := r.behind(p)
	if lacks {
		return nil, 0, false
	}
	return s.open(r, next, p, head, now), n, true
}

// PlaceAfter returns where one stands who has got live what came up to a number. ok is false if nobody knows, as what came next has gone.
// The place is empty if nothing has come at all.
func (s *Store[M]) PlaceAfter(destination string, number uint64) (p Place, ok bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rings[destination]
	if r == nil || r.dropped > number {
		return Place{}, r == nil
	}
	next := r.end()
	for i, e := range slices.Backward(r.entries) {
		if e.past {
			continue
		}
		if e.m.Number() <= number {
			break
		}
		next = r.first + int64(i)
	}
	return r.placeAt(next, nil, now), true
}

// open returns a cursor to what stands at an index and behind it, of one who stands at p.
func (s *Store[M]) open(r *ring[M], next int64, p Place, head []bus.Position, now time.Time) *Cursor[M] {
	p.After = slices.Clone(p.After)
	c := &Cursor[M]{store: s, ring: r, next: next, hole: s.holes, place: p, head: r.placeAt(r.end(), head, now)}
	r.cursors[c] = struct{}{}
	r.low = min(r.low, next)
	s.settle(r, now)
	return c
}

// Head is where one stood who began when c was opened: behind all that was there to read then.
func (c *Cursor[M]) Head() Place { return c.head }

// Place is where one stands who has read what c has. It is valid until the next call of Next.
func (c *Cursor[M]) Place() Place {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	return c.place
}

// Next returns the next message, and where one stands who has read it, which is valid until it is called again; with lost, some that should have come before it have gone. At the end ok
// is false and the cursor closed: whatever is appended from then on has a number above that of Latest.
func (c *Cursor[M]) Next() (m M, place Place, lost, ok bool) {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for c.ring != nil {
		r := c.ring
		if lost = c.lost || c.next < r.first; c.next < r.first {
			c.next, r.stale = r.first, true
		}
		lost = lost || r.isParted(c.hole, c.next, c.next+1)
		if c.next == r.end() {
			c.latest = r.latest
			c.leave()
			return m, c.place, lost, false
		}
		c.lost = lost
		e := r.entries[c.next-r.first]
		r.stale = r.stale || c.next == r.low
		c.next++
		if covers(c.place.After, e.at) {
			continue
		}
		c.advance(e)
		if c.fresh && e.past {
			continue
		}
		c.lost = false
		return e.m, c.place, lost, true
	}
	return m, c.place, c.lost, false
}

// advance has c stand behind e.
func (c *Cursor[M]) advance(e entry[M]) {
	c.last, c.prior = e.at.Log, Place{After: c.prior.After[:0], Told: c.place.Told}
	if i := of(c.place.After, e.at.Log); i >= 0 {
		c.prior.After = append(c.prior.After, c.place.After[i])
	}
	c.place.After, c.place.Told = advance(c.place.After, e.at), time.UnixMilli(e.when)
}

// Prior is where one stands who has not got the message that Next has returned last, which there must be.
func (c *Cursor[M]) Prior() Place {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(c.place.After), func(at bus.Position) bool { return at.Log == c.last })
	return Place{After: append(others, c.prior.After...), Told: c.prior.Told}
}

// Latest is the number of the last message that c has read, or that had been appended before it was opened.
func (c *Cursor[M]) Latest() uint64 { return c.latest }

// Close ends the reading.
func (c *Cursor[M]) Close() {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if c.ring != nil {
		c.leave()
	}
}

func (c *Cursor[M]) leave() {
	r := c.ring
	delete(r.cursors, c)
	r.stale = r.stale || c.next == r.low
	c.ring, c.lost = nil, false
	if c.store.rings[r.name] != r {
		return
	}
	if c.store.trim(r, time.Now()); r.isBlank() {
		c.store.remove(r)
	}
}
