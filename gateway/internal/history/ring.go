package history

import (
	"container/list"
	"math"
	"slices"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// entry is one message.
type entry[M Message] struct {
	at   bus.Position
	when int64 // it came to this node or, if it is Past, was published, in Unix milliseconds
	past bool
	m    M
}

// isNotBefore reports whether e stands in the same log as what is Past, and not before it.
func (e entry[M]) isNotBefore(past entry[M]) bool {
	return e.at.Log == past.at.Log && e.at.Offset >= past.at.Offset
}

// last is the last message of a log, of those that have come or of those that have gone.
type last struct {
	at   bus.Position
	when int64 // as of an entry
}

func ofLog(list []last, log uint64) int {
	return slices.IndexFunc(list, func(l last) bool { return l.at.Log == log })
}

// raise has list know of l, too, unless it knows of one behind that.
func raise(list []last, l last) []last {
	i := ofLog(list, l.at.Log)
	if i < 0 {
		return append(list, l)
	}
	if list[i].at.Offset < l.at.Offset {
		list[i].at = l.at
	}
	list[i].when = max(list[i].when, l.when)
	return list
}

func without(list []last, log uint64) []last {
	return slices.DeleteFunc(list, func(l last) bool { return l.at.Log == log })
}

// ring is what is kept of one destination. The store's mu guards it.
type ring[M Message] struct {
	name    string
	limits  Limits
	entries []entry[M]
	spent   int    // entries of the same array that have been dropped
	first   int64  // the index of entries[0], which stays a message's own; the next one's if there is none
	heads   []last // of each log, whether it is still here or not
	gone    []last // of each log, what has been dropped
	late    bool   // there have been rings before that had to go, perhaps one of this name
	cuts    []cut  // of each log that has lost its end
	gaps    []gap  // in the order of the messages
	turned  uint64 // the last of the store's holes at which one of its logs ended
	latest  uint64 // the number of the last message that came, and was not Past
	dropped uint64 // and of the last such one that has been dropped
	cursors map[*Cursor[M]]struct{}
	low     int64 // no cursor has less yet to read, and unless it is stale one has as much
	stale   bool

	due   int64         // in Unix milliseconds, when the oldest message has to go; of a ring without any, since when that is so
	index int           // in the queue of those that are due; -1 for not in it
	idle  *list.Element // nil while it has messages, or readers
}

// isBlank reports whether nothing is known of the destination: the ring was for readers alone, and they have left.
func (r *ring[M]) isBlank() bool { return len(r.heads)+len(r.gone)+len(r.cursors) == 0 }

func (r *ring[M]) end() int64 { return r.first + int64(len(r.entries)) }

// expiry is when the oldest message has to go.
func (r *ring[M]) expiry() int64 { return r.entries[0].when + r.limits.TTL.Milliseconds() }

// worthUntil is how long a ring without messages is worth keeping.
func (r *ring[M]) worthUntil() int64 { return r.due + idleFor*r.limits.TTL.Milliseconds() }

// isPinned reports whether a cursor has yet to read the oldest message.
func (r *ring[M]) isPinned() bool {
	if r.first >= r.low && r.stale {
		r.low, r.stale = math.MaxInt64, false
		for c := range r.cursors {
			r.low = min(r.low, c.next)
		}
	}
	return r.first >= r.low
}

func (r *ring[M]) isBelowFloor(at bus.Position) bool {
	i := ofLog(r.gone, at.Log)
	return i >= 0 && r.gone[i].at.Offset >= at.Offset
}

// leastArray is the size of an array of which much may be spent.
const leastArray = 64

func (r *ring[M]) dropFirst() entry[M] {
	e := r.entries[0]
	r.entries[0] = entry[M]{}
	r.entries = r.entries[1:]
	r.first++
	r.spent++
	switch {
	case len(r.entries) == 0:
		r.entries, r.spent = nil, 0
	case r.spent > leastArray && r.spent > 2*len(r.entries):
		r.entries, r.spent = slices.Clone(r.entries), 0
	}
	if !e.past {
		r.dropped = e.m.Number()
	}
	r.gaps = slices.DeleteFunc(r.gaps, func(g gap) bool { return g.before < r.first })
	return e
}

// add puts e at the end.
func (r *ring[M]) add(e entry[M]) {
	if len(r.entries) == cap(r.entries) {
		r.spent = 0 // it becomes another array
	}
	r.entries = append(r.entries, e)
}

// insert puts e at entries[i]. What stands before it moves, and with it who reads there.
func (r *ring[M]) insert(i int, e entry[M]) {
	if i == len(r.entries) && len(r.cursors) == 0 { // as all do before Receive is ready
		r.add(e)
		return
	}
	at := r.first + int64(i)
	for c := range r.cursors {
		if c.next < at {
			c.next--
		}
	}
	for i := range r.gaps {
		if r.gaps[i].before < at {
			r.gaps[i].before--
		}
	}
	r.entries = slices.Insert(r.entries, i, e)
	r.first--
	r.low, r.stale = math.MinInt64, true
}

// lose takes out what a log has from a position on. Who reads the ring has lost what he had yet to read.
func (r *ring[M]) lose(from bus.Position, dropped func(entry[M])) {
	isLost := func(e entry[M]) bool { return e.at.Log == from.Log && e.at.Offset >= from.Offset }
	for i, g := range r.gaps { // which stay where they are between those that are left
		for _, e := range r.entries[g.before-r.first:] {
			if isLost(e) {
				r.gaps[i].before++
			}
		}
	}
	kept := slices.DeleteFunc(r.entries, func(e entry[M]) bool {
		gone := isLost(e)
		if gone {
			dropped(e)
		}
		return gone
	})
	r.first = r.end() - int64(len(kept))
	r.entries, r.stale = kept, true
	for c := range r.cursors {
		if c.next < r.end() || covers(c.place.After, from) {
			c.next, c.lost = r.end(), true
		}
		if covers(c.place.After, from) {
			c.place.After = slices.Clone(c.place.After) // who has asked for the place reads the old one
			c.place.After[of(c.place.After, from.Log)] = before(from)
		}
	}
	for i := range r.gone {
		if r.gone[i].at.Log == from.Log && r.gone[i].at.Offset >= from.Offset {
			r.gone[i].at = before(from)
		}
	}
}

// before is just in front of a position. Which message is there, if any, is unknown.
func before(at bus.Position) bus.Position {
	return bus.Position{Log: at.Log, Offset: max(at.Offset, 1) - 1}
}

// behind returns the index of the first message that came after a place, and how many did. lacks says that a message is not the one that
// was seen in its place. It goes no further back than there are such messages.
func (r *ring[M]) behind(p Place) (next int64, n int, lacks bool) {
	next = r.end()
	seen := map[uint64]bool{} // logs of which one that he had was met
	for i, e := range slices.Backward(r.entries) {
		at := of(p.After, e.at.Log)
		if at < 0 || p.After[at].Offset < e.at.Offset {
			next, n = r.first+int64(i), n+1
			continue
		}
		if isAnother(p.After[at], e.at) {
			return next, n, true
		}
		if seen[e.at.Log] = true; len(seen) == len(r.heads) {
			break
		}
	}
	return next, n, false
}

// lacks reports whether something is missing of what came after a place.
func (r *ring[M]) lacks(p Place) bool {
	for _, c := range r.cuts {
		if i := of(p.After, c.at.Log); i >= 0 && p.After[i].Offset >= c.at.Offset && p.After[i].Term < c.at.Term {
			return true // it stands in what the log has lost
		}
	}
	return miss(r.gone, p)
}

// cut is where a log went on that had lost its end.
type cut struct {
	at   bus.Position // the first there; of several cuts the lowest, and the last term
	peak uint64       // how far it had come before
}

// wasCut notes where a log went on that had come as far as head.
func (r *ring[M]) wasCut(at, head bus.Position) {
	i := slices.IndexFunc(r.cuts, func(c cut) bool { return c.at.Log == at.Log })
	if i < 0 {
		r.cuts = append(r.cuts, cut{at, head.Offset})
		return
	}
	c := &r.cuts[i]
	c.at.Term, c.at.Offset, c.peak = at.Term, min(at.Offset, c.at.Offset), max(head.Offset, c.peak)
}

// gap is where something may be missing between two messages. Who begins to read later is judged by what has gone; who had begun by then
// hears of it when he comes there.
type gap struct {
	before int64  // the index of the message behind it, perhaps to come
	hole   uint64 // which one it was of the store's; the last of several
}

// part notes that by a hole something may be missing behind the last message.
func (r *ring[M]) part(hole uint64) {
	if n := len(r.gaps); n > 0 && r.gaps[n-1].before == r.end() {
		r.gaps = r.gaps[:n-1]
	}
	r.gaps = append(r.gaps, gap{r.end(), hole})
}

// isParted reports whether there is a gap of a later hole before one of the messages from an index on, up to another.
func (r *ring[M]) isParted(hole uint64, from, to int64) bool {
	return slices.ContainsFunc(r.gaps, func(g gap) bool { return from <= g.before && g.before < to && hole < g.hole })
}

// isAnother reports whether two positions are in one place of a log, and of two messages.
func isAnother(a, b bus.Position) bool {
	return a.Offset == b.Offset && a.Term != b.Term && a.Term != 0 && b.Term != 0
}

// miss reports whether something that came after a place is among what has gone. Of a log that the place does not name all
// came after it, or was gone when it was told.
func miss(gone []last, p Place) bool {
	return slices.ContainsFunc(gone, func(l last) bool {
		if i := of(p.After, l.at.Log); i >= 0 {
			return p.After[i].Offset < l.at.Offset
		}
		return l.when >= p.Told.Add(-Doubt).UnixMilli()
	})
}

// vector is where one stands who has seen all. Logs that have been silent for long are left out where there are many: all that is kept
// of them is old, and all that comes of them is new.
func (r *ring[M]) vector(now time.Time) (after []bus.Position) {
	old := now.Add(-2 * r.limits.TTL).UnixMilli()
	for _, h := range r.heads {
		if len(r.heads) <= maxLogs || h.when >= old {
			after = append(after, h.at)
		}
	}
	return after
}

// placeAt is where one stands who has seen what is before an index: at the last of each log, or just before its first one from the
// index on. head is what the bus says of the logs, also of those that nothing has come from.
func (r *ring[M]) placeAt(index int64, head []bus.Position, now time.Time) Place {
	var ahead []bus.Position // the first of each log from index on
	for _, e := range r.entries[index-r.first:] {
		if of(ahead, e.at.Log) < 0 {
			ahead = append(ahead, e.at)
		}
	}
	p := Place{Told: now}
	for _, at := range ahead {
		p.After = append(p.After, r.lastBefore(index, at))
	}
	for _, at := range slices.Concat(r.vector(now), head) {
		if of(ahead, at.Log) < 0 {
			p.After = advance(p.After, at)
		}
	}
	return p
}

// lastBefore is where one stands in the log of at, the first of it from an index on.
func (r *ring[M]) lastBefore(index int64, at bus.Position) bus.Position {
	for _, e := range slices.Backward(r.entries[:index-r.first]) {
		if e.at.Log == at.Log {
			return e.at
		}
	}
	if i := ofLog(r.gone, at.Log); i >= 0 && r.gone[i].at.Offset < at.Offset {
		return r.gone[i].at
	}
	return before(at)
}
