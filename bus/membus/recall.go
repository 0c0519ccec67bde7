package membus

import (
	"slices"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// patience is how long Recall waits for its node to come as far as a position.
const patience = 5 * time.Second

// log is what was published to destinations with history, since a node has said that there are such ones. The cluster's mu
// guards it. It lives as long as the cluster, and is never cut.
type log struct {
	id   uint64
	has  []func(destination string) bool // of each node that remembers
	past []bus.Envelope
}

// append keeps e if its destination has history, and returns its mark, or nil.
func (l *log) append(e *bus.Envelope) *bus.Mark {
	if e.Principal != "" || !slices.ContainsFunc(l.has, func(has func(string) bool) bool { return has(e.Destination) }) {
		return nil
	}
	offset := uint64(len(l.past) + 1)
	mark := &bus.Mark{At: bus.Position{Log: l.id, Term: 1, Offset: offset}, Published: time.Now().UnixMilli()}
	kept := *e
	kept.Mark = &bus.Mark{At: mark.At, Published: mark.Published, Past: true}
	l.past = append(l.past, kept)
	return mark
}

// reading is how far a node has come in the log. The bus's mu guards it.
type reading struct {
	keep    bus.Keep
	first   uint64 // the first offset that it has read
	offset  uint64 // the last one
	waiting []*waiter
}

// waiter is a Recall from further on than its node has come.
type waiter struct {
	offset uint64
	tell   func() // once; the timer that gives up has its own goroutine
}

// Remember implements bus.Recaller.
func (b *Bus) Remember(k bus.Keep) {
	b.mu.Lock()
	known := b.read.keep.Has != nil
	b.read.keep = k
	b.mu.Unlock()
	if known {
		return
	}
	b.cluster.mu.Lock()
	defer b.cluster.mu.Unlock()
	b.cluster.log.has = append(b.cluster.log.has, b.has)
}

func (b *Bus) has(destination string) bool {
	b.mu.Lock()
	has := b.read.keep.Has
	b.mu.Unlock()
	return has(destination)
}

// past returns what was published before now, as far back as the node keeps it. The cluster's mu is held.
func (b *Bus) past() []bus.Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.cluster.log.past
	oldest := time.Now().Add(-b.read.keep.Age).UnixMilli()
	first := slices.IndexFunc(all, func(e bus.Envelope) bool { return e.Mark.Published >= oldest })
	if first < 0 || b.read.keep.Has == nil {
		first = len(all)
	}
	b.read.first, b.read.offset = uint64(first+1), uint64(len(all))
	return slices.DeleteFunc(slices.Clone(all[first:]), func(e bus.Envelope) bool { return !b.read.keep.Has(e.Destination) })
}

// came notes that an envelope was delivered.
func (b *Bus) came(m *bus.Mark) {
	if m == nil {
		return
	}
	b.mu.Lock()
	b.read.offset = m.At.Offset
	var due []*waiter
	b.read.waiting = slices.DeleteFunc(b.read.waiting, func(w *waiter) bool {
		if w.offset <= m.At.Offset {
			due = append(due, w)
			return true
		}
		return false
	})
	b.mu.Unlock()
	for _, w := range due {
		w.tell()
	}
}

// Recall implements bus.Recaller: all of the log that the node keeps was delivered when Receive began.
func (b *Bus) Recall(_ string, w bus.Wish, done func(bus.Recalled)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := uint64(0)
	for _, at := range w.After {
		last = max(last, at.Offset)
	}
	if last <= b.read.offset || last > b.read.offset+queueSize+inboxSize {
		r := b.recalled(w)
		b.telling.Go(func() { done(r) })
		return
	}
	wait := &waiter{offset: last}
	timeout := time.AfterFunc(patience, func() { b.giveUp(wait) })
	wait.tell = func() {
		timeout.Stop()
		b.mu.Lock()
		r := b.recalled(w)
		b.mu.Unlock()
		done(r)
	}
	b.read.waiting = append(b.read.waiting, wait)
}

// giveUp tells a waiter that its time is over, unless it has been told.
func (b *Bus) giveUp(w *waiter) {
	b.mu.Lock()
	i := slices.Index(b.read.waiting, w)
	if i >= 0 {
		b.read.waiting = slices.Delete(b.read.waiting, i, i+1)
	}
	b.mu.Unlock()
	if i >= 0 {
		w.tell()
	}
}

// recalled judges a wish by how far the node has come.
func (b *Bus) recalled(w bus.Wish) bus.Recalled {
	whole := len(w.After) > 0
	for _, at := range w.After {
		whole = whole && at.Log == b.cluster.log.id && at.Offset+1 >= b.read.first && at.Offset <= b.read.offset
	}
	return bus.Recalled{Head: []bus.Position{{Log: b.cluster.log.id, Term: 1, Offset: b.read.offset}}, Whole: whole}
}
