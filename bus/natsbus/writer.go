package natsbus

import (
	"errors"
	"fmt"
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
	nc      *nats.Conn
	enc     headerEncoder
	subject []byte // memory for encoding
	msg     nats.Msg
	sent    []unanswered // of the chunk being written
}

func (w *writer) run() {
	timer := time.NewTimer(0) // the first run finds nothing
	defer timer.Stop()
	var batch []item
	for {
		select {
		case <-w.out.queued:
		case <-timer.C:
		case <-w.ctx.Done():
			return
		}
		batch = w.out.take(batch)
		w.write(batch)
		if next, ok := earliest(w.expire(), w.renew()); ok {
			timer.Reset(time.Until(next))
		}
	}
}

func (w *writer) write(batch []item) {
	for i := range batch {
		w.writeItem(&batch[i])
		if len(w.sent) == chunk {
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

// subscribe needs no connection: nats.go tells each new one about all subscriptions.
func (w *writer) subscribe(it *item) {
	if err := w.establish(it.watch); err != nil {
		it.done(err)
		return
	}
	w.sent = append(w.sent, unanswered{done: it.done, watch: it.watch})
}

// establish subscribes what is not subscribed, or not any more as the server has revoked it.
func (w *writer) establish(wanted *watch) error {
	old, stale := w.watches.stale(wanted)
	if !stale {
		return nil
	}
	unsubscribe(old)
	sub, err := w.nc.ChanSubscribe(wanted.subject, wanted.lane.arrived)
	if !w.watches.subscribed(wanted, sub) {
		unsubscribe(sub)
	}
	return err
}

// unsubscribe ends sub, which may be nil.
func unsubscribe(sub *nats.Subscription) {
	if sub != nil {
		// It fails only on a closed connection, where the subscription has ended too.
		_ = sub.Unsubscribe()
	}
}

// expire ends the subscriptions that nobody watches any more, and returns when the next may end.
func (w *writer) expire() (next time.Time) {
	gone, next := w.watches.expire(time.Now())
	for _, sub := range gone {
		unsubscribe(sub)
	}
	return next
}

// renew asks again for what the server has revoked, and returns when to do so the next time. It
// waits for no answer: a server that refuses says so.
func (w *writer) renew() (next time.Time) {
	due, next := w.watches.renewals(time.Now())
	for _, revoked := range due {
		// It fails only on a closed connection, where no subscription matters.
		_ = w.establish(revoked)
	}
	return next
}

// earliest returns the earlier of two times. Zero is none.
func earliest(a, b time.Time) (first time.Time, ok bool) {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		a = b
	}
	return a, !a.IsZero()
}

func (w *writer) publish(it *item) {
	conn, err := w.put(&it.envelope)
	if err != nil {
		w.out.settled(1, it.size)
		it.done(err)
		return
	}
	w.sent = append(w.sent, unanswered{done: it.done, size: it.size, subject: w.msg.Subject, conn: conn})
}

// put writes e to a connection and returns its number. With an error, e was not written.
func (w *writer) put(e *bus.Envelope) (conn uint64, err error) {
	w.encode(e)
	for {
		// Read before the attempt: should the connection change meanwhile, the number is
		// the older one, and the outcome counts as unknown.
		conn, ups := w.link.number.Load(), w.link.ups.Load()
		err := nats.ErrReconnectBufExceeded
		if ups > 0 { // before the first connection nats.go knows no server's abilities
			err = w.nc.PublishMsg(&w.msg)
		}
		switch {
		case err == nil:
			return conn, nil
		case errors.Is(err, nats.ErrReconnectBufExceeded): // not connected, and we want no buffer there
			if err := w.awaitUp(ups); err != nil {
				return 0, err
			}
		case errors.Is(err, nats.ErrMaxPayload):
			return 0, tooLarge(headerSize(w.msg.Header)+len(e.Body), int(w.maxPayload.Load()))
		case errors.Is(err, nats.ErrHeadersNotSupported):
			return 0, err
		default: // a failed write, and with it goes the connection
			return 0, fmt.Errorf("%w: %w", bus.ErrUnknown, err)
		}
	}
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

// awaitUp waits for a connection after the first ups ones. It returns bus.ErrDown when the
// server has been silent for Config.Deadline, and bus.ErrUnknown when the bus closes.
func (w *writer) awaitUp(ups uint64) error {
	w.handOver() // what was written to the last connection has an outcome to be told
	deadline := time.NewTimer(w.cfg.Deadline - w.link.silence())
	defer deadline.Stop()
	for w.link.ups.Load() == ups {
		select {
		case <-w.link.upped:
		case <-deadline.C:
			return bus.ErrDown
		case <-w.ctx.Done():
			return bus.ErrUnknown
		}
	}
	return nil
}
