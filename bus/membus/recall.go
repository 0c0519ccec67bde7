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
	keep   bus.Keep
	first  uint64        // the first offset that it has read
	offset uint64        // the last one
	moved  chan struct{} // closed when that grows; nil while nobody waits
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
	defer b.mu.Unlock()
	b.read.offset = m.At.Offset
	if b.read.moved != nil {
		close(b.read.moved)
		b.read.moved = nil
	}
}

// Recall implements bus.Recaller: all of the log that the node keeps was delivered when Receive began.
func (b *Bus) Recall(_ string, w bus.Wish, done func(bus.Recalled)) {
	last := uint64(0)
	for _, at := range w.After {
		last = max(last, at.Offset)
	}
	b.telling.Go(func() {
		b.await(last)
		b.mu.Lock()
		r := b.recalled(w)
		b.mu.Unlock()
		done(r)
	})
}

// await returns when the node has come as far as an offset, when it can't, or when the time for that is over.
func (b *Bus) await(offset uint64) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for moved := b.ahead(offset); moved != nil; moved = b.ahead(offset) {
		select {
		case <-moved:
		case <-timeout.C:
			return
		case <-b.pumped: // the bus is closed
			return
		}
	}
}

// ahead returns what is closed when the node comes further, if it may come as far as an offset, else nil.
func (b *Bus) ahead(offset uint64) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if offset <= b.read.offset || offset > b.read.offset+queueSize+inboxSize {
		return nil
	}
	if b.read.moved == nil {
		b.read.moved = make(chan struct{})
	}
	return b.read.moved
}

// recalled judges a wish by how far the node has come. b.mu is held.
func (b *Bus) recalled(w bus.Wish) bus.Recalled {
	whole := len(w.After) > 0
	for _, at := range w.After {
		whole = whole && at.Log == b.cluster.log.id && at.Offset+1 >= b.read.first && at.Offset <= b.read.offset
	}
	return bus.Recalled{Head: []bus.Position{{Log: b.cluster.log.id, Term: 1, Offset: b.read.offset}}, Whole: whole}
}
