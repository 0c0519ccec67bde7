package natsbus

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// chunk is how many items are written before the confirmer hears of them.
const chunk = 256

// writer tells the server what the outbox holds, in its order. It runs on one goroutine, which may
// block in a write for writeTimeout, and for as long as there is no connection.
type writer struct {
	*Bus
	confirmer *confirmer
	tried     *conn // the latest that it has subscribed on; nil before the first
	conn      *conn // the latest that has survived that
	enc       headerEncoder
	subject   []byte // memory for encoding
	msg       nats.Msg
	sent      []unanswered // of the chunk being written
	again     []item       // to be written first: an earlier connection did not take them
}

func (w *writer) run() {
	timer := time.NewTimer(0) // the first run finds nothing
	defer timer.Stop()
	defer w.handOver()
	defer w.writeAgain()
	var batch []item
	for {
		select {
		case <-w.out.queued:
		case <-timer.C:
		case <-w.ctx.Done():
			return
		}
		if c := w.link.current.Load(); c != nil {
			w.adopt(c)
		}
		w.writeAgain() // what is left of that, if c has ended over it
		w.leaveCrowded()
		batch = w.out.take(batch)
		w.write(batch)
		if next := w.expire(); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

func (w *writer) write(batch []item) {
	for i := range batch {
		w.writeItem(&batch[i])
		if len(w.sent) >= chunk {
			w.handOver()
		}
	}
	w.handOver()
}

func (w *writer) handOver() {
	w.out.wrote(w.sent)
	clear(w.sent)
	w.sent = w.sent[:0]
}

func (w *writer) writeItem(it *item) {
	switch {
	case it.refused != nil:
		it.done(it.refused)
	case it.watch != nil:
		w.subscribe(it)
	default:
		w.publish(it)
	}
}

// subscribe needs no connection: each new one is told of all subscriptions.
func (w *writer) subscribe(it *item) {
	if w.conn != nil {
		w.establish(w.conn, it.watch)
	}
	w.sent = append(w.sent, unanswered{item: *it})
}

// establish subscribes what is not subscribed on c. It fails only when c has ended, and then the next
// connection is told.
func (w *writer) establish(c *conn, wanted *watch) {
	if n := len(wanted.subject); n > c.maxSubject {
		w.watches.refuse(wanted, w.refuseByLimit(tooLong(wanted.destination, n, c.maxSubject)))
		return
	}
	if !w.watches.missing(wanted) {
		return
	}
	if w.isFull(c) {
		w.watches.refuse(wanted, w.refuseByLimit(errCrowded))
		return
	}
	sub, err := c.nc.ChanSubscribe(wanted.subject, wanted.lane.arrived)
	if err == nil && !w.watches.subscribed(wanted, sub, c.subscribed.Add(1)) {
		unsubscribe(sub)
	}
}

// unsubscribe ends sub, which may be nil.
func unsubscribe(sub *nats.Subscription) {
	if sub != nil {
		// It fails only on a closed connection, where the subscription has ended too.
		_ = sub.Unsubscribe()
	}
}

// expire ends the subscriptions that nobody watches any more, and returns when the next may end;
// zero is none.
func (w *writer) expire() (next time.Time) {
	gone, next := w.watches.expire(time.Now())
	for _, sub := range gone {
		unsubscribe(sub)
	}
	return next
}

// connected returns a connection that takes envelopes, which is not spent. It waits for one, and
// returns bus.ErrDown when the server has been silent for Config.Deadline, and bus.ErrUnknown when
// the bus closes.
func (w *writer) connected(spent *conn) (*conn, error) {
	if c := w.link.current.Load(); c != nil && c == w.conn && c != spent {
		return c, nil
	}
	w.handOver() // what was written to the last connection has an outcome to be told
	deadline := time.NewTimer(w.cfg.Deadline - w.link.silence())
	defer deadline.Stop()
	for {
		if c := w.link.current.Load(); c != nil && c != spent {
			if w.adopt(c) {
				return c, nil
			}
			spent = c
		}
		select {
		case <-w.link.upped:
		case <-deadline.C:
			return nil, bus.ErrDown
		case <-w.ctx.Done():
			return nil, bus.ErrUnknown
		}
	}
}

// adopt makes c the connection to write to: it subscribes on it all that is watched, and writes what an
// earlier one had not taken. It reports whether c has survived that.
func (w *writer) adopt(c *conn) bool {
	if c == w.conn {
		return true
	}
	if c.isOver() {
		return false
	}
	w.handOver()
	w.again = append(w.again, w.recover(c)...)
	if !w.subscribeAll(c) {
		return false
	}
	w.conn = c
	w.adopted.Store(c)
	signal(w.out.written) // watches may wait to be confirmed
	w.writeAgain()
	return true
}

func (w *writer) writeAgain() {
	again := w.again
	w.again = nil
	for i := range again {
		w.publish(&again[i])
	}
}

// subscribeAll subscribes on c all that is watched, and at last, in groups, what may be why an earlier
// connection was closed. It reports false when c has ended over that; then the next one is asked for a
// smaller group, until a single one is left.
func (w *writer) subscribeAll(c *conn) bool {
	w.refusals.reset()
	blame := false
	if w.tried != nil && w.tried == w.conn { // else survives has found out more
		fault, _ := w.tried.why()
		blame = fault == otherFault
	}
	plain, suspects := w.watches.reset(w.tried, blame)
	w.tried = c
	for _, wanted := range plain {
		w.establish(c, wanted)
	}
	if len(suspects) == 0 {
		return true
	}
	if !w.survives(c, plain) {
		return false
	}
	const groups = 64 // with as many suspects, each is one
	for group := range slices.Chunk(suspects, (len(suspects)+groups-1)/groups) {
		for _, suspect := range group {
			w.establish(c, suspect)
		}
		if !w.survives(c, group) {
			return false
		}
	}
	return true
}

// survives waits for c's answer to the subscriptions of ws, and notes what it is.
func (w *writer) survives(c *conn, ws []*watch) bool {
	if len(ws) == 0 {
		return true
	}
	if c.flush(w.ctx, w.cfg.Deadline) == nil {
		c.answered.Store(c.subscribed.Load())
		return true
	}
	c.close()
	if fault, err := c.why(); fault == otherFault {
		if fatal := w.watches.suspect(ws); fatal != nil {
			w.watches.refuse(fatal, errShunned)
			w.log.Error("the NATS server closes the connection over a subscription, which is refused from now on",
				"destination", w.destinationOf(fatal.subject), "err", err)
		}
	}
	return false
}

func (w *writer) publish(it *item) {
	c, err := w.put(&it.envelope)
	if err != nil {
		w.out.finish(it, err)
		return
	}
	w.sent = append(w.sent, unanswered{item: *it, subject: w.msg.Subject, conn: c})
}

// put writes e to a connection and returns it. With an error, e was not written.
func (w *writer) put(e *bus.Envelope) (c *conn, err error) {
	for {
		if c, err = w.connected(c); err != nil {
			return nil, err
		}
		w.encode(e) // after adopting, which encodes too
		if err := w.fits(c, e); err != nil {
			return nil, w.refuseByLimit(err)
		}
		err := c.nc.PublishMsg(&w.msg)
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, nats.ErrConnectionClosed): // before it was written
		case errors.Is(err, nats.ErrMaxPayload): // the server has told of a new limit just now
			return nil, w.refuseByLimit(tooLarge(headerSize(w.msg.Header)+len(e.Body), int(c.nc.MaxPayload())))
		case errors.Is(err, nats.ErrHeadersNotSupported):
			return nil, err
		default: // a failed write, and with it goes the connection
			return nil, fmt.Errorf("%w: %w", bus.ErrUnknown, err)
		}
	}
}

// fits refuses e, which is encoded, if c's server does not take it. Publish has mostly done so before,
// but perhaps by the limits of another connection.
func (w *writer) fits(c *conn, e *bus.Envelope) error {
	if n := len(w.msg.Subject); n > c.maxSubject {
		return tooLong(e.Destination, n, c.maxSubject)
	}
	limit := int(w.maxPayload.Load())
	if escapedSize(e) <= limit {
		return nil
	}
	if wire := headerSize(w.msg.Header) + len(e.Body); wire > limit {
		return tooLarge(wire, limit)
	}
	return nil
}

func (w *writer) encode(e *bus.Envelope) {
	if e.Principal == "" {
		w.subject = appendSubject(w.subject[:0], w.cfg.Prefix, e.Destination)
		w.msg.Subject = string(w.subject)
	} else {
		node, _ := bus.Node(e.Principal) // Publish has refused what names none
		w.msg.Subject = nodeSubject(w.cfg.Prefix, node)
	}
	w.msg.Header = w.enc.encode(e)
	w.msg.Data = e.Body
}
