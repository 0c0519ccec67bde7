package history

import (
	"container/heap"
	"container/list"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
)

const (
	// ways is how many destinations can have something appended at a time.
	ways = 64

	// ringSize is what a ring takes beside its messages and its name, logSize each of its logs, and entrySize a message beside what it
	// says itself, in bytes.
	ringSize, logSize, entrySize = 384, 80, 64

	// idleFor is how many times as long as its messages a ring without any is worth keeping: it knows what has gone. Who is in
	// need of memory takes what has been worth it for the longest time.
	idleFor = 10

	// pinnedFor is when a ring is looked at again whose oldest message has to go, but which somebody is about to read.
	pinnedFor = time.Second

	// Doubt is how far the clocks of nodes and brokers may differ.
	Doubt = time.Minute
)

// Message is what is kept.
type Message interface {
	Number() uint64 // grows within a destination, but not for what is Past
	Size() int      // of the memory that it takes, in bytes
}

// Limits are what the rule of a destination lets be kept of it.
type Limits struct {
	Size int           // messages
	TTL  time.Duration // of each
}

// Figures are what a store has done, and holds.
type Figures struct {
	Rings, Messages, Bytes int
	Evicted                uint64 // messages that had to go, as all together took too many bytes
}

// Store is the memory of a node. Any goroutine may call its methods, those of a Cursor too, one at a time for each Cursor.
type Store[M Message] struct {
	seed  maphash.Seed
	order [ways]sync.Mutex // see Append; mu is locked within, never the other way

	mu        sync.Mutex
	limit     int // bytes
	rings     map[string]*ring[M]
	due       queue[M]              // rings with messages, by when the oldest one has to go
	idle      list.List             // of those without, the *ring[M] that has been so for the longest time first
	over      map[*ring[M]]struct{} // rings with more than their rules keep, as somebody has yet to read it
	forgotten []last                // of rings that had to go themselves
	holes     uint64                // that were noted
	turned    uint64                // the last of those since which an earlier word of the bus counts no more, but for what rings know themselves
	born      int64                 // what the next ring numbers its first message; no ring has come as far
	figures   Figures
}

// New returns a store that holds so many bytes at most.
func New[M Message](limit int) *Store[M] {
	return &Store[M]{seed: maphash.MakeSeed(), limit: limit, rings: map[string]*ring[M]{}, over: map[*ring[M]]struct{}{}}
}

// SetLimit changes how many bytes are held at most.
func (s *Store[M]) SetLimit(limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit
	s.makeRoom(time.Now())
}

// Append keeps the message that a mark is of, and hands it on with where its subscribers stand then, which may be empty. Until both
// functions have returned nothing else is appended to the destination; what is Past is not handed on. Without limits those stay
// that it had. A message is dropped if over is true by then: its destination was forgotten after it had come.
func (s *Store[M]) Append(destination string, mark *bus.Mark, limits Limits, over *atomic.Bool, message func() M, then func(m M, place string)) {
	way := &s.order[maphash.String(s.seed, destination)%ways]
	way.Lock()
	defer way.Unlock()
	m := message()
	place, kept := s.append(destination, mark, limits, over, m)
	if kept && !mark.Past {
		then(m, place.String())
	}
}

func (s *Store[M]) append(destination string, mark *bus.Mark, limits Limits, over *atomic.Bool, m M) (place Place, kept bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if over.Load() {
		return place, false
	}
	r := s.ring(destination)
	if limits != (Limits{}) { // else it is kept for those alone who have begun to read
		r.limits = limits
	}
	e := entry[M]{at: mark.At, when: now.UnixMilli(), past: mark.Past, m: m}
	if mark.Past {
		e.when = min(mark.Published, e.when)
		s.insert(r, e)
	} else {
		s.add(r, e)
	}
	s.trim(r, now)
	place.Told = now
	if !mark.Past {
		place.After = r.vector(now)
	}
	s.makeRoom(now)
	return place, true
}

// Hole notes that what lies at a position of a log and before it may be missing, of one destination, or of all if that is empty. At
// bus.Ended the log is forgotten.
func (s *Store[M]) Hole(destination string, at bus.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holes++
	if destination != "" {
		if s.rings[destination] != nil || at.Offset != bus.Ended {
			s.pierce(s.ring(destination), at)
		} else {
			s.turned = s.holes
		}
		return
	}
	s.turned = s.holes
	for _, r := range s.rings {
		if ofLog(r.heads, at.Log) >= 0 {
			s.pierce(r, at)
		} else if len(r.cursors) > 0 {
			r.part(s.holes) // which may be of this destination all the same
		}
	}
	if at.Offset == bus.Ended {
		s.forgotten = without(s.forgotten, at.Log)
	} else {
		s.forgotten = raise(s.forgotten, last{at, time.Now().UnixMilli()})
	}
}

// Forget drops what is kept of a destination: what comes from now on is not all that comes. Before that over has to be true
// for what is on its way to Append.
func (s *Store[M]) Forget(destination string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rings[destination]; r != nil {
		s.remove(r)
	}
}

// Sweep drops what has become too old. It is to be called every second or so.
func (s *Store[M]) Sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for len(s.due) > 0 && s.due[0].due <= now.UnixMilli() {
		s.trim(s.due[0], now)
	}
}

// Figures returns what the store holds.
func (s *Store[M]) Figures() Figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.figures
	f.Rings = len(s.rings)
	return f
}

// ring returns that of a destination, a new one if there is none.
func (s *Store[M]) ring(destination string) *ring[M] {
	r := s.rings[destination]
	if r == nil {
		r = &ring[M]{name: destination, first: s.born, late: len(s.forgotten) > 0, index: -1, cursors: map[*Cursor[M]]struct{}{}, low: math.MaxInt64}
		s.rings[destination] = r
		s.figures.Bytes += ringSize + len(destination)
	}
	return r
}

// add puts e at the end. If its log has lost its own end, what is kept of that goes with it.
func (s *Store[M]) add(r *ring[M], e entry[M]) {
	if i := ofLog(r.heads, e.at.Log); i >= 0 && e.at.Offset <= r.heads[i].at.Offset {
		r.lose(e.at, s.uncount)
		r.wasCut(e.at, r.heads[i].at)
		r.heads[i] = last{e.at, e.when}
	}
	s.head(r, e)
	r.latest = e.m.Number()
	r.add(e)
	s.born = max(s.born, r.end())
	s.count(e, 1)
}

// insert puts e, which is Past, where its log has it. What is there already, or was, is left out.
func (s *Store[M]) insert(r *ring[M], e entry[M]) {
	if r.isBelowFloor(e.at) {
		return
	}
	i := len(r.entries)
	for i > 0 && r.entries[i-1].isNotBefore(e) {
		if i--; r.entries[i].at == e.at {
			return
		}
	}
	r.insert(i, e)
	s.head(r, e)
	s.born = max(s.born, r.end())
	s.count(e, 1)
}

// head notes that e has come.
func (s *Store[M]) head(r *ring[M], e entry[M]) {
	had := len(r.heads)
	r.heads = raise(r.heads, last{e.at, e.when})
	s.figures.Bytes += (len(r.heads) - had) * logSize
}

// pierce notes a hole in a ring.
func (s *Store[M]) pierce(r *ring[M], at bus.Position) {
	now := time.Now()
	r.part(s.holes)
	if at.Offset == bus.Ended {
		r.turned = s.holes
		r.lose(bus.Position{Log: at.Log}, s.uncount)
		r.gone = without(r.gone, at.Log)
		had := len(r.heads)
		r.heads = without(r.heads, at.Log)
		s.figures.Bytes += (len(r.heads) - had) * logSize
	} else {
		r.gone = raise(r.gone, last{at, now.UnixMilli()})
	}
	s.settle(r, now)
}

// trim drops what is too much or too old, unless a cursor has yet to read it.
func (s *Store[M]) trim(r *ring[M], now time.Time) {
	for len(r.entries) > 0 && (len(r.entries) > r.limits.Size || r.expiry() <= now.UnixMilli()) && !r.isPinned() {
		s.dropFirst(r)
	}
	if len(r.entries) > r.limits.Size {
		s.over[r] = struct{}{}
	} else {
		delete(s.over, r)
	}
	s.settle(r, now)
}

func (s *Store[M]) dropFirst(r *ring[M]) {
	e := r.dropFirst()
	r.gone = raise(r.gone, last{e.at, e.when})
	s.uncount(e)
}

// makeRoom drops what has been worth keeping for the shortest time until the rest is not too much: first what a ring has beyond what its rule
// keeps, for somebody who does not read it.
func (s *Store[M]) makeRoom(now time.Time) {
	for s.figures.Bytes > s.limit {
		r, idle := s.victim()
		switch {
		case r == nil:
			return // rings alone that somebody is about to read
		case idle:
			for _, l := range r.gone {
				s.forgotten = raise(s.forgotten, l)
			}
			for _, c := range r.cuts {
				s.forgotten = raise(s.forgotten, last{bus.Position{Log: c.at.Log, Offset: c.peak}, now.UnixMilli()})
			}
			s.remove(r)
		default:
			s.figures.Evicted++
			s.dropFirst(r)
			if len(r.entries) <= r.limits.Size {
				delete(s.over, r)
			}
			s.settle(r, now)
		}
	}
}

// victim returns the ring that has to lose its oldest message or, if it is idle, to go.
func (s *Store[M]) victim() (r *ring[M], idle bool) {
	for r := range s.over {
		return r, false
	}
	if e := s.idle.Front(); e != nil {
		if r := e.Value.(*ring[M]); len(s.due) == 0 || r.worthUntil() <= s.due[0].due {
			return r, true
		}
	}
	if len(s.due) > 0 {
		return s.due[0], false
	}
	return nil, false
}

// settle puts r where it belongs, after its oldest message has become another one.
func (s *Store[M]) settle(r *ring[M], now time.Time) {
	if len(r.entries) == 0 {
		if r.index >= 0 {
			heap.Remove(&s.due, r.index)
		}
		switch {
		case len(r.cursors) > 0: // what comes before they have come to the end is for them
			s.rouse(r)
		case r.idle == nil:
			r.due = now.UnixMilli()
			r.idle = s.idle.PushBack(r)
		}
		return
	}
	s.rouse(r)
	due := r.expiry()
	if due <= now.UnixMilli() { // but somebody has yet to read it
		due = max(due, now.Add(pinnedFor).UnixMilli())
	}
	switch {
	case r.index < 0:
		r.due = due
		heap.Push(&s.due, r)
	case r.due != due:
		r.due = due
		heap.Fix(&s.due, r.index)
	}
}

// remove drops a ring. Its cursors end.
func (s *Store[M]) remove(r *ring[M]) {
	for _, e := range r.entries {
		s.uncount(e)
	}
	s.figures.Bytes -= ringSize + len(r.name) + len(r.heads)*logSize
	r.entries, r.first = nil, r.end()
	delete(s.over, r)
	if r.index >= 0 {
		heap.Remove(&s.due, r.index)
	}
	s.rouse(r)
	delete(s.rings, r.name)
	s.turned = max(s.turned, r.turned)
}

// rouse takes r out of those that are idle, if it is.
func (s *Store[M]) rouse(r *ring[M]) {
	if r.idle != nil {
		s.idle.Remove(r.idle)
		r.idle = nil
	}
}

func (s *Store[M]) uncount(e entry[M]) { s.count(e, -1) }

func (s *Store[M]) count(e entry[M], n int) {
	s.figures.Messages += n
	s.figures.Bytes += n * (entrySize + e.m.Size())
}

// queue is a heap of rings.
type queue[M Message] []*ring[M]

func (q queue[M]) Len() int           { return len(q) }
func (q queue[M]) Less(i, j int) bool { return q[i].due < q[j].due }
func (q queue[M]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue[M]) Push(x any) {
	r := x.(*ring[M])
	r.index = len(*q)
	*q = append(*q, r)
}

// Pop implements heap.Interface.
func (q *queue[M]) Pop() any {
	end := len(*q) - 1
	r := (*q)[end]
	(*q)[end] = nil
	*q = (*q)[:end]
	r.index = -1
	return r
}
