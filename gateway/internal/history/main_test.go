package history

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// note is a message of a test.
type note struct {
	number uint64
	size   int
}

func (n note) Number() uint64 { return n.number }
func (n note) Size() int      { return n.size }

// writer publishes to one destination: a log after the other has a message more.
type writer struct {
	store  *Store[note]
	name   string
	limits Limits
	number uint64
	over   atomic.Bool
	placed []string // where one stands behind each message that was handed on
}

func newWriter(limit int, limits Limits) *writer {
	return &writer{store: New[note](limit), name: "/topic/a", limits: limits}
}

func (w *writer) live(log, offset uint64) {
	w.append(bus.Mark{At: bus.Position{Log: log, Term: 1, Offset: offset}})
}

func (w *writer) past(log, offset uint64, age time.Duration) {
	w.append(bus.Mark{At: bus.Position{Log: log, Term: 1, Offset: offset}, Past: true, Published: time.Now().Add(-age).UnixMilli()})
}

func (w *writer) append(m bus.Mark) {
	w.number++
	number := w.number
	w.store.Append(w.name, &m, w.limits, &w.over, func() note { return note{number, 100} }, func(_ note, place string) { w.placed = append(w.placed, place) })
}

// after is After of whoever asks now.
func (w *writer) after(p Place) (c *Cursor[note], n int, whole bool) {
	return w.store.After(w.name, p, w.store.Mark(w.name), nil)
}

// read returns the offsets that a cursor brings, of all logs, and where one stands then. lost is whether some had gone.
func read(c *Cursor[note]) (offsets []uint64, place Place, lost bool) {
	place = Place{After: slices.Clone(c.Place().After)}
	for {
		_, p, gone, ok := c.Next()
		lost = lost || gone
		if !ok {
			return offsets, p, lost
		}
		for i, at := range p.After {
			if i < len(place.After) && place.After[i] == at {
				continue
			}
			offsets = append(offsets, at.Offset)
		}
		place = Place{After: slices.Clone(p.After)}
	}
}
