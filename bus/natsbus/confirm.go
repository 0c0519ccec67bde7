package natsbus

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/stompgw/stompgw/bus"
)

// confirm asks c's server for answers, one PING at a time, and settles what was written before, until ctx ends.
func (b *Bus) confirm(ctx context.Context, c *conn) {
	for await(ctx, b.out.written) {
		b.turn(ctx, c)
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

// A server that closes the connection over a line has carried out those before it, and has not read
// those after it. It names no line. But it is one that the next connection would not take: so the
// limits that this one tells, or is found to have, show which it was. What is too large is refused and
// not written again; what stood before the first of it has been taken; what stood after it is written
// to the next connection, in its order. So nothing is lost or doubled for others by it.

// recover settles what the connection before c had not confirmed, now that c's limits are known. Of those
// that ended otherwise nothing but watches is left: these are asked for again.
func (b *Bus) recover(c, last *conn) {
	sent := b.out.take(&b.out.sent, nil)
	var watches, again []item
	first, known := b.culprit(sent, last)
	for i := range sent {
		it := &sent[i]
		if it.watch != nil {
			watches = append(watches, *it)
			continue
		}
		err := b.check(it)
		if it.ack != 0 {
			if _, waits := b.out.acks.take(it.ack); !waits {
				continue
			}
		}
		switch {
		case err != nil:
			b.out.finish(it, err)
		case i > first && first >= 0:
			it.ack = 0
			again = append(again, *it)
		case known && it.ack == 0: // else the stream alone knows
			b.out.finish(it, b.outcome(last, it))
		default:
			b.out.finish(it, bus.ErrUnknown)
		}
	}
	b.out.expireAcks(0, math.MaxUint64) // of which the last connection knew that it was written
	b.out.putBack(&b.out.queue, again)
	b.out.putBack(&b.out.sent, watches)
	signal(b.out.written)
}

// culprit returns the place of the first that is too much for the present connection, or -1. known says
// that there can be none before it. Where the next connection has no such limit as closed the last one, it
// is the largest, and counts as too much from now on.
func (b *Bus) culprit(sent []item, last *conn) (at int, known bool) {
	at, size := -1, 0
	for i := range sent {
		if sent[i].watch != nil {
			continue
		}
		if b.check(&sent[i]) != nil {
			return i, true
		}
		if n := sent[i].wireSize(); n > size {
			at, size = i, n
		}
	}
	if at < 0 {
		return -1, false
	}
	if fault, _ := last.why(); fault != overPayload {
		return -1, false
	}
	b.hide(size, last.confirmed)
	return at, false
}
