package natsbus

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// confirmer asks the server for answers, one PING at a time, and settles what was written before.
type confirmer struct {
	*Bus
	nc *nats.Conn
}

func (c *confirmer) run() {
	var batch []unanswered
	for {
		select {
		case <-c.out.written:
		case <-c.ctx.Done():
			return
		}
		if batch = c.out.takeSent(batch); len(batch) > 0 {
			c.settle(batch, c.ask())
		}
	}
}

// ask returns the number of the connection whose server has everything that was written to it
// before, or 0 when there was no answer.
func (c *confirmer) ask() (conn uint64) {
	conn = c.link.number.Load()
	ctx, cancel := c.link.whileUp(c.cfg.Deadline)
	defer cancel()
	if !c.nc.IsConnected() { // after whileUp: what breaks from here on ends ctx
		return 0
	}
	c.link.asked()
	if err := c.nc.FlushWithContext(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			c.link.hangUp() // nobody is there, whatever the socket says
		}
		return 0
	}
	c.refusals.catchUp(ctx, c.nc)
	if c.link.number.Load() != conn {
		return 0 // perhaps the next connection answered
	}
	c.link.answered()
	return conn
}

// settle tells what became of a batch. conn is what ask returned.
func (c *confirmer) settle(batch []unanswered, conn uint64) {
	c.release(batch)
	var again []unanswered
	for _, u := range batch {
		switch {
		case u.watch != nil && conn == 0: // nats.go subscribes again, so ask again
			again = append(again, u)
		case u.watch != nil:
			u.done(c.watched(u.watch))
		case u.conn == conn && c.refusals.take(u.subject):
			u.done(c.forbidden(u.subject))
		case u.conn == conn:
			u.done(nil)
		default:
			u.done(bus.ErrUnknown)
		}
	}
	if len(again) > 0 {
		c.out.again(again)
	}
}

// watched returns what the server made of w's subscription.
func (c *confirmer) watched(w *watch) error {
	end, granted := c.watches.answered(w)
	if granted {
		return nil
	}
	unsubscribe(end)
	return c.forbidden(w.subject)
}

func (c *confirmer) release(batch []unanswered) {
	count, bytes := 0, 0
	for _, u := range batch {
		if u.watch == nil {
			count++
			bytes += u.size
		}
	}
	c.out.settled(count, bytes)
}
