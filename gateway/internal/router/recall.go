package router

import (
	"errors"
	"sync"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/history"
)

// Want is what a SUBSCRIBE asks for of the past of its destination. The zero value is nothing.
type Want struct {
	Resume string        // where the client stands, as it was told; what has come after that
	Last   int           // else so many of the last messages
	Away   time.Duration // for how long it has heard nothing; 0 is unknown
}

// Beginning is how a subscription to a destination with history begins.
type Beginning struct {
	Reader    *Reader
	Place     string // where one stands that begins now; empty where that can't be told
	Recovered bool   // nothing is missing of what came after Want.Resume
	Replayed  int    // messages that were asked for, and come
	Lack      Lack   // why it is not recovered, or that not all of Want.Last could be brought
	Why       error  // the same in words for an operator, where the bus has some
}

// Lack is why a subscription can't go on where it was.
type Lack int

// The reasons.
const (
	None       Lack = iota // it goes on
	Unreadable             // it is no position, or the destination has no history
	Unknown                // its log is another one now, or what is known of it does not go back so far
	Silent                 // the broker does not answer
	Evicted                // the node has kept less than that
	Lacks                  // how many there are
)

// String names the outcome, for metrics.
func (l Lack) String() string {
	return [...]string{"recovered", "unreadable", "unknown", "silent", "evicted"}[l]
}

// Follow is Subscribe for a destination with history. begun runs on this loop when it is known where s begins; until then, and until its
// Reader has come to the end, nothing that is delivered to s is for it.
func (l *Local) Follow(s *Subscription, w Want, begun func(Beginning, error)) {
	s.follows = true
	l.router.follow(s.Destination)
	taken := sync.OnceValue(func() history.Mark { return l.router.memory.store.Mark(s.Destination) }) // when the router knows of s, and before anything else happens
	l.Subscribe(s, func(err error) {
		if err != nil {
			begun(Beginning{}, err)
			return
		}
		l.recall(s, taken(), w, func(b Beginning) { begun(b, nil) })
	})
	taken()
}

// Resume finds the beginning of a subscription anew.
func (l *Local) Resume(s *Subscription, w Want, begun func(Beginning)) {
	l.recall(s, l.router.memory.store.Mark(s.Destination), w, begun)
}

// recall has the bus bring what is wanted, and then looks whether it is all there.
func (l *Local) recall(s *Subscription, mark history.Mark, w Want, begun func(Beginning)) {
	store, at := l.router.memory.store, s.Destination
	place, readable := history.ParsePlace(w.Resume)
	readable = readable && time.Until(place.Told) < history.Doubt
	l.ask(at, bus.Wish{After: place.After, Told: place.Told, Away: w.Away}, func(r bus.Recalled) {
		b := Beginning{Lack: lackOf(w, readable, r), Why: r.Err}
		if w.Resume != "" && b.Lack == None {
			if b.resume(l, s, place, mark, r.Head) {
				begun(b)
				return
			}
			b.Lack, b.Why = Evicted, nil
		}
		if w.Last > 0 {
			l.last(s, w.Last, b, begun)
			return
		}
		c := store.From(at, mark, r.Head)
		b.Reader, b.Place = l.reader(s, c), c.Place().String()
		begun(b)
	})
}

// resume begins behind a place, if all that came after it is there.
func (b *Beginning) resume(l *Local, s *Subscription, place history.Place, mark history.Mark, head []bus.Position) bool {
	if !l.router.memory.had(s.Destination, place.Told) {
		return false
	}
	c, n, whole := l.router.memory.store.After(s.Destination, place, mark, head)
	if whole {
		b.Reader, b.Place, b.Replayed, b.Recovered = l.reader(s, c), c.Head().String(), n, true
	}
	return whole
}

// last begins with the last messages.
func (l *Local) last(s *Subscription, n int, b Beginning, begun func(Beginning)) {
	l.ask(s.Destination, bus.Wish{Last: n}, func(r bus.Recalled) {
		if b.Lack == None && isSilent(r.Err) {
			b.Lack, b.Why = Silent, r.Err
		}
		c, have := l.router.memory.store.Last(s.Destination, n, r.Head)
		b.Reader, b.Replayed = l.reader(s, c), have
		b.Place = c.Head().String()
		begun(b)
	})
}

func lackOf(w Want, readable bool, r bus.Recalled) Lack {
	switch {
	case w.Resume == "" || readable && r.Whole:
		return None
	case !readable:
		return Unreadable
	case isSilent(r.Err):
		return Silent
	}
	return Unknown
}

// isSilent reports whether an error of Recall tells nothing of what was asked for: a later one may.
func isSilent(err error) bool {
	return errors.Is(err, bus.ErrDown) || errors.Is(err, bus.ErrFull) || errors.Is(err, bus.ErrClosed)
}

// ask asks the bus; told runs on this loop.
func (l *Local) ask(destination string, w bus.Wish, told func(bus.Recalled)) {
	l.router.recaller.Recall(destination, w, func(r bus.Recalled) { l.loop.Post(func() { told(r) }) })
}

func (l *Local) reader(s *Subscription, c *history.Cursor[*Message]) *Reader {
	return &Reader{local: l, sub: s, cursor: c}
}

// PlaceAfter returns where a subscription stands that has got the message of a number last, as Want.Resume takes it; ok is false if what
// came next has gone. It is empty if nothing has come at all.
func (l *Local) PlaceAfter(s *Subscription, seq uint64) (place string, ok bool) {
	p, ok := l.router.memory.store.PlaceAfter(s.Destination, seq)
	return p.String(), ok
}

// Reader reads what a subscription has yet to get of its destination's past. Its methods run on the subscription's loop.
type Reader struct {
	local  *Local
	sub    *Subscription
	cursor *history.Cursor[*Message]
}

// Next returns the number and the packed MESSAGE of the next message, as Outlet.Deliver takes them. With lost, some that should
// have come before it are gone. At the end ok is false, and after that what is delivered to the subscription with a number above Latest has not been read.
func (r *Reader) Next() (seq uint64, packed []byte, lost, ok bool) {
	m, place, lost, ok := r.cursor.Next()
	if !ok {
		return 0, nil, lost, false
	}
	packed = r.local.packer.pack(m, place.String(), r.sub)
	r.local.packer.reset()
	return m.Seq, packed, lost, true
}

// Replayed counts a message that was read, and that the client of a subscription gets.
func (l *Local) Replayed() { l.delivered.Add(1) }

// Latest is the number of the last message before the end of what is read.
func (r *Reader) Latest() uint64 { return r.cursor.Latest() }

// Place is where the subscription stands that has got what was read, as Want.Resume takes it.
func (r *Reader) Place() string { return r.cursor.Place().String() }

// Prior is where it stands without the message that Next has returned last.
func (r *Reader) Prior() string { return r.cursor.Prior().String() }

// Close ends the reading, unless it has come to the end. r may be nil.
func (r *Reader) Close() {
	if r != nil {
		r.cursor.Close()
	}
}
