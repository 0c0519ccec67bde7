package natsbus

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/stompgw/stompgw/bus"
)

// item is one thing to tell the server: an envelope, or a watch.
type item struct {
	envelope bus.Envelope
	subject  string      // that it is published to
	size     int         // of its body, headers and subject, in bytes
	watch    *watch      // set: a watch
	done     func(error) // told what the server made of it
}

// outbox holds what was accepted until it is settled. Envelopes count against its bounds;
// watches do not: Watch cannot refuse, and the router has one of each destination at a time.
type outbox struct {
	maxCount, maxBytes int

	// Each has room for one signal, so that sending one never blocks.
	queued  chan struct{} // the writer has something to do
	written chan struct{} // the confirmer has something to do

	mu           sync.Mutex
	queue        []item // not written yet
	sent         []item // written to the present connection, or to the last one
	count, bytes int    // of envelopes not settled
	closed       bool
	idle         chan struct{} // closed by closeIdle, when closed and count is 0
	closeIdle    func()
}

func newOutbox(maxCount, maxBytes int) *outbox {
	idle := make(chan struct{})
	return &outbox{
		maxCount:  maxCount,
		maxBytes:  maxBytes,
		queued:    make(chan struct{}, 1),
		written:   make(chan struct{}, 1),
		idle:      idle,
		closeIdle: sync.OnceFunc(func() { close(idle) }),
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is under way already
	}
}

// accept queues it, or says bus.ErrFull or bus.ErrClosed. A single envelope may be larger than the bound
// on bytes.
func (o *outbox) accept(it item) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return bus.ErrClosed
	}
	if it.watch == nil {
		if o.count >= o.maxCount || o.count > 0 && o.bytes+it.size > o.maxBytes {
			return bus.ErrFull
		}
		o.count++
		o.bytes += it.size
	}
	o.queue = append(o.queue, it)
	if len(o.queue) == 1 {
		signal(o.queued)
	}
	return nil
}

// take returns what one of the two lists holds; spent is an earlier batch, whose memory it uses again,
// unless a rare crowd made it large.
func (o *outbox) take(from *[]item, spent []item) []item {
	const most = 8192
	if cap(spent) > most {
		spent = nil
	}
	clear(spent) // what it refers to is free to go
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := *from
	*from = spent[:0]
	return batch
}

// putBack puts a batch, which it copies, ahead of what one of the two lists holds.
func (o *outbox) putBack(to *[]item, batch []item) {
	if len(batch) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	*to = slices.Concat(batch, *to)
}

// wrote hands what was written to the confirmer.
func (o *outbox) wrote(batch []item) {
	if len(batch) == 0 {
		return
	}
	o.mu.Lock()
	o.sent = append(o.sent, batch...)
	o.mu.Unlock()
	signal(o.written)
}

// giveUp tells the envelopes in one of the two lists that there is no hope; watches stay.
func (o *outbox) giveUp(list *[]item, err error) {
	batch := slices.DeleteFunc(o.take(list, nil), func(it item) bool {
		if it.watch == nil {
			o.finish(&it, err)
		}
		return it.watch == nil
	})
	o.putBack(list, batch)
}

// finish makes the room of an envelope, and then tells its outcome, so that one who waits for that finds
// the room.
func (o *outbox) finish(it *item, err error) {
	o.settled([]item{*it})
	it.done(err)
}

// settled makes the room of the envelopes of a batch.
func (o *outbox) settled(batch []item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range batch {
		if it := &batch[i]; it.watch == nil {
			o.count--
			o.bytes -= it.size
		}
	}
	o.checkIdle()
}

// close refuses what comes from now on, and returns a channel that is closed when all is settled.
func (o *outbox) close() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.checkIdle()
	return o.idle
}

func (o *outbox) checkIdle() {
	if o.closed && o.count == 0 {
		o.closeIdle()
	}
}

// state returns how many envelopes are not settled, and whether more can come.
func (o *outbox) state() (outstanding int, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count, o.closed
}

// abandon tells all that is left that nobody will know: the goroutines of the bus have ended.
func (o *outbox) abandon() {
	for _, it := range slices.Concat(o.take(&o.queue, nil), o.take(&o.sent, nil)) {
		if it.watch != nil {
			it.done(bus.ErrClosed)
		} else {
			o.finish(&it, bus.ErrUnknown)
		}
	}
}

// Publish implements bus.Bus. Besides the errors named there it refuses an envelope whose principal
// names no node, or with bus.ErrDestination or bus.ErrTooLarge.
func (b *Bus) Publish(e bus.Envelope, done func(error)) error {
	subject, err := b.subjectOf(&e)
	if err != nil {
		return err
	}
	it := item{envelope: e, subject: subject, done: done, size: size(&e) + len(subject)}
	if err := b.check(&it); err != nil {
		return b.refuseByLimit(err)
	}
	if b.silence.length() >= b.cfg.Silence {
		if _, closed := b.out.state(); !closed {
			return bus.ErrDown
		}
	}
	return b.out.accept(it)
}

// subjectOf returns what e is published to.
func (b *Bus) subjectOf(e *bus.Envelope) (string, error) {
	if e.Principal == "" {
		return string(appendSubject(nil, b.cfg.Prefix, e.Destination)), nil
	}
	node, ok := bus.Node(e.Principal)
	if !ok {
		return "", fmt.Errorf("natsbus: principal %.80q: want <epoch>/<uuid>/<session>/<time>, to know its node", e.Principal)
	}
	return nodeSubject(b.cfg.Prefix, node), nil
}

// check refuses what the server of the latest connection does not take.
func (b *Bus) check(it *item) error {
	e := &it.envelope
	if n, limit := len(it.subject), int(b.maxSubject.Load()); n > limit {
		return tooLong(cmp.Or(e.Principal, e.Destination), n, limit)
	}
	limit := int(b.maxPayload.Load())
	if limit == 0 || escapedSize(e) <= limit {
		return nil // unknown yet, or surely small enough
	}
	if wire := wireSize(e); wire > limit {
		return tooLarge(wire, limit)
	}
	return nil
}

func tooLarge(wire, limit int) error {
	return fmt.Errorf("%w: body and headers take %d bytes and the server's max_payload is %d: raise that, or lower limits.message",
		bus.ErrTooLarge, wire, limit)
}

// size returns the bytes of e that count against Config.Bytes.
func size(e *bus.Envelope) int {
	n := len(e.Body) + len(e.Destination) + len(e.Principal)
	for _, entry := range e.Headers {
		n += len(entry.Name) + len(entry.Value)
	}
	return n
}

// wireSize returns the bytes that a server counts of e.
func wireSize(e *bus.Envelope) int {
	var enc headerEncoder
	return headerSize(enc.encode(e)) + len(e.Body)
}

// escapedSize returns more bytes than e can take on the wire: all escaped, and each name once
// more in the order.
func escapedSize(e *bus.Envelope) int {
	const perEntry, fixed = 64, 256
	return 4*(size(e)-len(e.Body)) + perEntry*len(e.Headers) + fixed + len(e.Body)
}
