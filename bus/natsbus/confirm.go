package natsbus

import (
	"context"
	"errors"
	"fmt"
)

// confirm asks c's server for answers, one PING at a time, and settles what was written before, until ctx
// or c ends.
func (b *Bus) confirm(ctx context.Context, c *conn) {
	for {
		select {
		case <-b.out.written:
			b.turn(ctx, c)
		case <-c.ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

// turn settles what was written up to now, if c's server answers before ctx ends.
func (b *Bus) turn(ctx context.Context, c *conn) {
	b.asked = b.out.take(&b.out.sent, b.asked)
	if len(b.asked) == 0 {
		return
	}
	if !b.ask(ctx, c) {
		b.out.putBack(&b.out.sent, b.asked)
		return
	}
	b.settle(c)
}

// ask reports whether c's server has answered to all that was written to it before.
func (b *Bus) ask(ctx context.Context, c *conn) bool {
	b.silence.asked()
	upTo := c.subscribed.Load()
	if err := c.flush(ctx, b.cfg.Deadline); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			c.socket.Close() // nobody is there, whatever it says
		}
		return false
	}
	if c.refusals.catchUp(ctx, c.nc); ctx.Err() != nil {
		return false // it is asked once more, or nobody wants to know
	}
	b.silence.answered()
	c.answered.Store(upTo)
	b.takesPayload(c)
	return true
}

// settle tells what the server has made of what it was asked for. First it makes room, so that one who
// waits for a done finds it.
func (b *Bus) settle(c *conn) {
	b.out.settled(b.asked)
	var again []item
	for i := range b.asked {
		switch it := &b.asked[i]; {
		case it.ack != 0:
			c.confirmed = max(c.confirmed, len(it.envelope.Body))
			if err := b.outcome(c, it); err != nil {
				b.out.acked(it.ack, err)
			}
		case it.watch == nil:
			c.confirmed = max(c.confirmed, len(it.envelope.Body))
			it.done(b.outcome(c, it))
		case c.isCrowded(): // nobody knows which watches it has, and the next connection is asked
			again = append(again, *it)
		default:
			it.done(b.watches.answered(it.watch))
		}
	}
	b.out.putBack(&b.out.sent, again)
}

// outcome is what c's server has made of an envelope that it had.
func (b *Bus) outcome(c *conn, it *item) error {
	switch {
	case !c.refusals.any() || !c.refusals.take(it.subject):
		return nil
	case it.backend:
		return fmt.Errorf("%w: %s: grant publish on it", ErrPermission, it.subject)
	}
	return b.forbidden(it.subject)
}
