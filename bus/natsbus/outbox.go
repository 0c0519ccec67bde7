package natsbus

import (
	"sync"

	"github.com/stompgw/stompgw/bus"
)

// item is one thing to tell the server: an envelope, or a watch.
type item struct {
	envelope bus.Envelope
	watch    *watch      // set: a watch
	refused  error       // set: nothing to tell, but done has to hear it
	done     func(error) // told what the server made of it
	size     int         // of an envelope's body and headers, in bytes
}

// unanswered is an item between the writing and the server's answer.
type unanswered struct {
	item
	subject string // of an envelope
	conn    *conn  // that it was written to
}

// outbox holds what was accepted until it is settled. Envelopes count against its bounds;
// watches do not: Watch cannot refuse, and the router has one of each destination at a time.
type outbox struct {
	maxCount, maxBytes int

	// Each has room for one signal, so that sending one never blocks.
	queued  chan struct{} // the writer has something to do
	written chan struct{} // the confirmer has something to do

	mu           sync.Mutex
	queue        []item       // not written yet
	sent         []unanswered // written
	count, bytes int          // of envelopes not settled
	closed       bool
	idle         chan struct{} // closed when closed and count is 0
}

func newOutbox(maxCount, maxBytes int) *outbox {
	return &outbox{
		maxCount: maxCount,
		maxBytes: maxBytes,
		queued:   make(chan struct{}, 1),
		written:  make(chan struct{}, 1),
		idle:     make(chan struct{}),
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is under way already
	}
}

// accept queues an envelope, or says bus.ErrFull or bus.ErrClosed. A single one may be larger than
// the bound on bytes.
func (o *outbox) accept(it item) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return bus.ErrClosed
	}
	if o.count >= o.maxCount || o.count > 0 && o.bytes+it.size > o.maxBytes {
		return bus.ErrFull
	}
	o.count++
	o.bytes += it.size
	o.push(it)
	return nil
}

// acceptWatch queues a watch, or says bus.ErrClosed.
func (o *outbox) acceptWatch(it item) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return bus.ErrClosed
	}
	o.push(it)
	return nil
}

func (o *outbox) push(it item) {
	o.queue = append(o.queue, it)
	if len(o.queue) == 1 {
		signal(o.queued)
	}
}

// take returns what is queued; spent is an earlier batch, whose memory it uses again.
func (o *outbox) take(spent []item) []item {
	spent = recycle(spent)
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.queue
	o.queue = spent
	return batch
}

// recycle returns batch's memory, unless a rare crowd made it large.
func recycle[T any](batch []T) []T {
	const most = 8192
	if cap(batch) > most {
		return nil
	}
	clear(batch) // what it refers to is free to go
	return batch[:0]
}

// wrote hands what was written to the confirmer.
func (o *outbox) wrote(batch []unanswered) {
	if len(batch) == 0 {
		return
	}
	o.mu.Lock()
	o.sent = append(o.sent, batch...)
	o.mu.Unlock()
	signal(o.written)
}

// again puts back what could not be settled yet.
func (o *outbox) again(batch []unanswered) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(batch, o.sent...)
}

// takeSent is take for the confirmer.
func (o *outbox) takeSent(spent []unanswered) []unanswered {
	spent = recycle(spent)
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.sent
	o.sent = spent
	return batch
}

// settled makes room for as many envelopes and bytes. It runs before their done functions, so that
// one who waits for a done finds the room.
func (o *outbox) settled(count, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count -= count
	o.bytes -= bytes
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
	if !o.closed || o.count > 0 {
		return
	}
	select {
	case <-o.idle:
	default:
		close(o.idle)
	}
}

func (o *outbox) isClosed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

func (o *outbox) outstanding() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count
}

// abandon tells all that is left that nobody will know: the goroutines of the bus have ended.
func (o *outbox) abandon() {
	for _, it := range o.take(nil) {
		o.drop(&it)
	}
	for _, u := range o.takeSent(nil) {
		o.drop(&u.item)
	}
}

// drop tells that nobody will know what became of it.
func (o *outbox) drop(it *item) {
	if it.watch != nil || it.refused != nil {
		it.done(bus.ErrClosed)
		return
	}
	o.finish(it, bus.ErrUnknown)
}

// finish makes the room of an envelope, and tells its outcome.
func (o *outbox) finish(it *item, err error) {
	o.settled(1, it.size)
	it.done(err)
}
