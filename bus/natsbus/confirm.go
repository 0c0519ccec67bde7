package natsbus

import (
	"context"
	"errors"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// confirmer asks the server for answers, one PING at a time, and settles what was written before.
type confirmer struct {
	*Bus
	spent []unanswered // memory for the next batch
}

func (c *confirmer) run() {
	deadline := time.NewTimer(0)
	defer deadline.Stop()
	for {
		select {
		case <-c.out.written:
		case <-deadline.C:
			c.giveUp()
			continue
		case <-c.ctx.Done():
			return
		}
		if c.turn(); c.lost.any() {
			deadline.Reset(c.cfg.Deadline)
		}
	}
}

// turn settles what was written up to now.
func (c *confirmer) turn() {
	c.lost.mu.Lock()
	defer c.lost.mu.Unlock()
	c.spent = c.out.takeSent(c.spent)
	if len(c.spent) > 0 {
		c.settle(c.spent, c.ask())
	}
}

// ask returns the connection whose server has everything that was written to it before, or nil when
// there was no answer.
func (c *confirmer) ask() *conn {
	conn := c.adopted.Load()
	if conn == nil || conn.isOver() {
		return nil
	}
	c.link.asked()
	upTo := conn.subscribed.Load()
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Deadline)
	defer cancel()
	if err := conn.nc.FlushWithContext(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			c.link.hangUp() // nobody is there, whatever the socket says
		}
		await(c.ctx, conn.ended) // then it is known why
		return nil
	}
	c.refusals.catchUp(ctx, conn.nc)
	c.link.answered(conn)
	conn.answered.Store(upTo)
	c.takesPayload(conn)
	return conn
}

// settle tells what became of a batch. conn is what ask returned.
func (c *confirmer) settle(batch []unanswered, conn *conn) {
	var again []unanswered
	told := batch[:0]
	unknown := conn == nil || conn.isCrowded() // which watches it has
	for _, u := range batch {
		switch {
		case u.watch != nil && unknown: // the next connection is asked for it
			again = append(again, u)
		case u.watch == nil && u.conn != conn && c.lost.keep(&u):
		default:
			told = append(told, u)
		}
	}
	if len(again) > 0 {
		c.out.again(again)
	}
	c.release(told)
	for i := range told {
		c.tell(&told[i], conn)
	}
}

// tell tells what became of one item.
func (c *confirmer) tell(u *unanswered, conn *conn) {
	switch {
	case u.watch != nil:
		c.watched(u)
	case u.conn == conn:
		c.lost.confirmed(len(u.envelope.Body))
		u.done(c.outcome(u))
	default:
		u.done(bus.ErrUnknown)
	}
}

// outcome is what the server has made of an envelope that it had.
func (b *Bus) outcome(u *unanswered) error {
	if b.refusals.take(u.subject) {
		return b.forbidden(u.subject)
	}
	return nil
}

// release makes the room of envelopes that are about to hear their outcome, so that one who waits for
// a done finds it.
func (c *confirmer) release(batch []unanswered) {
	count, bytes := 0, 0
	for i := range batch {
		if batch[i].watch == nil {
			count++
			bytes += batch[i].size
		}
	}
	c.out.settled(count, bytes)
}

// watched tells what the server made of a watch.
func (b *Bus) watched(u *unanswered) {
	end, err := b.watches.answered(u.watch)
	unsubscribe(end)
	if u.done(err); err != nil {
		return
	}
	if end, err = b.watches.grant(u.watch); err != nil { // refused just now
		unsubscribe(end)
		u.done(err)
	}
}

// giveUp tells that of what a connection had not confirmed nobody will know, as there is no other one.
func (c *confirmer) giveUp() {
	c.lost.mu.Lock()
	defer c.lost.mu.Unlock()
	for _, u := range c.lost.take() {
		c.out.drop(&u.item)
	}
}
