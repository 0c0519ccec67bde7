package natsbus

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// item is one thing to tell the server: an envelope, or a watch.
type item struct {
	envelope bus.Envelope
	subject  string      // that it is published to
	size     int         // of its body, headers and subject, in bytes
	watch    *watch      // set: a watch
	stored   bool        // the stream is to answer, too
	backend  bool        // it is an envelope for a backend
	ack      uint64      // of such a one that was written: its number among the acks
	done     func(error) // told what the server made of it
}

// load is how much some envelopes are.
type load struct{ count, bytes int }

// exceeds reports whether l has no room for bytes more within most. A single envelope may be larger than the bound on bytes.
func (l load) exceeds(most load, bytes int) bool {
	return l.count >= most.count || l.count > 0 && l.bytes+bytes > most.bytes
}

func (l *load) add(n, bytes int) { l.count, l.bytes = l.count+n, l.bytes+bytes }

// outbox holds what was accepted until it is settled. Envelopes count against its bounds;
// watches do not: Watch cannot refuse, and the router has one of each destination at a time. Those that a stream is to
// answer have a share of it: should it say nothing, others go on.
type outbox struct {
	most, mostStored load

	// Each has room for one signal, so that sending one never blocks.
	queued  chan struct{} // the writer has something to do
	written chan struct{} // the confirmer has something to do

	mu        sync.Mutex
	queue     []item // not written yet
	sent      []item // written to the present connection, or to the last one
	load      load   // of envelopes not settled, acks among them
	stored    load   // of those, that a stream is to answer
	closed    bool
	idle      chan struct{} // closed by closeIdle, when closed and there is no load
	closeIdle func()

	acks acks // guards itself
}

func newOutbox(maxCount, maxBytes int) *outbox {
	idle := make(chan struct{})
	return &outbox{
		most:       load{maxCount, maxBytes},
		mostStored: load{max(maxCount*3/4, 1), maxBytes * 3 / 4},
		queued:     make(chan struct{}, 1),
		written:    make(chan struct{}, 1),
		idle:       idle,
		closeIdle:  sync.OnceFunc(func() { close(idle) }),
		acks:       acks{waiting: make(map[uint64]pending)},
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is under way already
	}
}

// accept queues it, or says bus.ErrFull or bus.ErrClosed.
func (o *outbox) accept(it item) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return bus.ErrClosed
	}
	if it.watch == nil {
		if o.load.exceeds(o.most, it.size) || it.stored && o.stored.exceeds(o.mostStored, it.size) {
			return bus.ErrFull
		}
		o.count(&it, 1)
	}
	o.queue = append(o.queue, it)
	if len(o.queue) == 1 {
		signal(o.queued)
	}
	return nil
}

// count notes an envelope more, or one less if n is -1.
func (o *outbox) count(it *item, n int) {
	o.load.add(n, n*it.size)
	if it.stored {
		o.stored.add(n, n*it.size)
	}
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
	watches := slices.DeleteFunc(o.take(list, nil), func(it item) bool {
		if it.watch == nil && it.ack == 0 {
			o.finish(&it, err)
		}
		return it.watch == nil
	})
	o.putBack(list, watches)
}

// giveUpSent tells the envelopes that were written that nobody knows their outcome, those that the stream alone has to answer too.
func (o *outbox) giveUpSent() {
	o.giveUp(&o.sent, bus.ErrUnknown)
	o.expireAcks(0, math.MaxUint64)
}

// finish makes the room of an envelope, and then tells its outcome, so that one who waits for that finds
// the room.
func (o *outbox) finish(it *item, err error) {
	it.ack = 0 // it does not wait for that
	o.settled([]item{*it})
	it.done(err)
}

// settled makes the room of the envelopes of a batch, but for those that the stream has to answer yet.
func (o *outbox) settled(batch []item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range batch {
		if it := &batch[i]; it.watch == nil && it.ack == 0 {
			o.count(it, -1)
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
	if o.closed && o.load.count == 0 {
		o.closeIdle()
	}
}

// state returns how many envelopes are not settled, and whether more can come.
func (o *outbox) state() (outstanding int, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.load.count, o.closed
}

// abandon tells all that is left that nobody will know: the goroutines of the bus have ended.
func (o *outbox) abandon() {
	o.giveUp(&o.queue, bus.ErrUnknown)
	o.giveUpSent()
	for _, it := range slices.Concat(o.take(&o.queue, nil), o.take(&o.sent, nil)) { // watches
		it.done(bus.ErrClosed)
	}
}

// Publish implements bus.Bus. It also refuses an envelope whose principal names no node, and returns
// bus.ErrDestination and bus.ErrTooLarge.
func (b *Bus) Publish(e bus.Envelope, done func(error)) error {
	subject, err := b.subjectOf(&e)
	if err != nil {
		return err
	}
	it := item{envelope: e, subject: subject, done: done, size: size(&e) + len(subject)}
	it.stored = e.Principal == "" && b.history.has(e.Destination)
	return b.accept(it)
}

// accept queues an envelope, unless the server does not take it or says nothing.
func (b *Bus) accept(it item) error {
	if err := b.check(&it); err != nil {
		return b.refuseByLimit(err)
	}
	if it.stored {
		if why := b.history.leaves(it.subject); why != nil {
			return fmt.Errorf("%w: %w", bus.ErrDown, why)
		}
	}
	if b.silence.length() >= b.cfg.Silence || it.stored && b.history.silence.length() >= b.cfg.Silence {
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
	n, limit := len(it.subject), int(b.maxSubject.Load())
	if it.stored {
		limit -= len(b.inbox) + replyTail
	}
	if n > limit {
		return tooLong(cmp.Or(e.Principal, e.Destination, it.subject), n, limit)
	}
	limit = int(b.maxPayload.Load())
	if limit == 0 || escapedSize(e) <= limit {
		return nil // unknown yet, or surely small enough
	}
	if wire := it.wireSize(); wire > limit {
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
	n := len(e.Body) + len(e.Destination) + len(e.Principal) + len(e.Member)
	for _, entry := range e.Headers {
		n += len(entry.Name) + len(entry.Value)
	}
	return n
}

// header returns the NATS headers of an envelope, made by enc.
func (it *item) header(enc *headerEncoder) nats.Header {
	if it.backend {
		return enc.encodeForBackend(it.envelope.Headers)
	}
	return enc.encode(&it.envelope)
}

// wireSize returns the bytes that a server counts of an envelope.
func (it *item) wireSize() int {
	var enc headerEncoder
	return headerSize(it.header(&enc)) + len(it.envelope.Body)
}

// escapedSize returns more bytes than e can take on the wire: all escaped, and each name once
// more in the order.
func escapedSize(e *bus.Envelope) int {
	const perEntry, fixed = 64, 256
	return 4*(size(e)-len(e.Body)) + perEntry*len(e.Headers) + fixed + len(e.Body)
}
