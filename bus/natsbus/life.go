package natsbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// A connection's life is told here, from above to below: run has one after the other, and ends with the
// bus alone. What next dials has lines as long as the server takes. live settles what the last one left
// behind (confirm.go) and subscribes what is watched (watch.go); then it writes what comes, while the
// confirmer asks for answers (confirm.go) and now and then somebody looks whether the server's limits
// have changed (limits.go). The writer returns when the connection has ended, or has to.

// Between two attempts to connect is a pause that grows from shortPause to longPause, and half as much more
// by chance, until a connection has brought an answer; there is none after one that has lasted for longer.
const (
	shortPause = 100 * time.Millisecond
	longPause  = 2 * time.Second
)

// chunk is how many items are written before the confirmer hears of them.
const chunk = 256

// run keeps the connections and the lanes until Close ends ctx. It is the only goroutine that the bus
// starts for itself; those are its own.
func (b *Bus) run() {
	defer close(b.ended)
	var wg sync.WaitGroup
	for _, l := range b.watches.lanes {
		wg.Go(func() { l.run(b.ctx, b.dropped) })
	}
	var last *conn
	for c := b.next(); c != nil; c = b.next() {
		begin := time.Now()
		b.live(c, last)
		if last = c; c.answered.Load() > 0 {
			b.pause = shortPause
		}
		if time.Since(begin) <= longPause {
			b.rest()
		}
	}
	wg.Wait()
	b.out.abandon()
	b.abandonRecalls()
}

// rest waits before the next attempt to connect, and makes the next pause longer.
func (b *Bus) rest() {
	await(b.ctx, time.After(b.pause+rand.N(b.pause/2)))
	b.pause = min(2*b.pause, longPause)
}

// next returns the next connection; nil is for none any more. Meanwhile it tells what has waited for too long.
func (b *Bus) next() *conn {
	made := make(chan *conn)
	go func() { made <- b.dial() }()
	deadline := time.NewTimer(b.cfg.Deadline - b.silence.length())
	defer deadline.Stop()
	for {
		select {
		case c := <-made:
			return c
		case <-deadline.C:
			deadline.Reset(b.cfg.Deadline)
		}
		if b.silence.length() >= b.cfg.Deadline {
			b.out.giveUpSent()
			b.out.giveUp(&b.out.queue, bus.ErrDown)
		}
	}
}

// dial tries one server after the other until one takes a connection, or ctx ends.
func (b *Bus) dial() *conn {
	for b.ctx.Err() == nil {
		var c *conn
		var err error
		for range len(b.pool.servers) {
			if c, err = b.connect(b.pool.next()); err == nil {
				c, err = b.learn(c)
			}
			if err == nil {
				return c
			}
		}
		if before := b.cause.Swap(&err); *before == bus.ErrUntried && b.ctx.Err() == nil {
			b.log.Warn("bus unreachable, still retrying", "err", err)
		}
		b.rest()
	}
	return nil
}

// live has c be the connection until it ends. last is the one before, nil for none.
func (b *Bus) live(c, last *conn) {
	b.takes(c)
	b.conn.Store(c)
	b.cause.Store(nil)
	b.silence.answered()
	server := c.nc.ConnectedServerName()
	if last == nil {
		b.log.Info("bus connected", "server", server)
	} else {
		b.reconnects.Add(1)
		b.log.Warn("bus connected: this node missed what others published in the gap",
			"server", server, "gap", time.Since(b.lost).Round(time.Millisecond))
	}
	b.recover(c, last)
	var err error
	if c.served = b.subscribeAll(c, last); c.served {
		err = b.serve(c)
	}
	c.close()
	b.pool.learn(c)
	fault, said := c.why()
	err = cmp.Or(err, said)
	if fault != overPayload && fault != overLine { // else recover can tell more
		b.out.giveUpSent()
	}
	b.cause.Store(&err)
	b.silence.asked()
	b.lost = time.Now()
	if b.ctx.Err() == nil {
		b.log.Warn("bus disconnected: this node misses what others publish until it is back", "err", err)
	}
}

// serve writes to c, and settles what was written, until c has ended and it returns nil, or until there has
// to be another one: then it returns why, and the server has confirmed what was written.
func (b *Bus) serve(c *conn) error {
	ctx, cancel := context.WithCancel(b.ctx)
	var wg sync.WaitGroup
	outdated := make(chan struct{})
	wg.Go(func() { b.confirm(ctx, c) })
	wg.Go(func() { b.keepHistory(ctx, c) })
	wg.Go(func() { b.fetchAll(ctx, c, b.history.repairs) })
	wg.Go(func() { b.fetchAll(ctx, c, b.history.pasts) })
	wg.Go(func() {
		if b.lookUntilOutdated(ctx, c) {
			close(outdated)
		}
	})
	err := b.write(c, outdated)
	cancel()
	wg.Wait()
	if err != nil {
		b.turn(b.ctx, c)
	}
	return err
}

// write tells c's server what the outbox holds, in its order. It may block in a write for writeTimeout.
func (b *Bus) write(c *conn, outdated <-chan struct{}) error {
	signal(b.out.queued) // there may be something already
	for {
		select {
		case <-b.out.queued:
		case <-outdated:
			return errOutdated
		case <-c.ended:
			return nil
		}
		b.writeAll(c)
		if c.surplus.Load() > 0 {
			b.countRoom(c)
			return bus.ErrCrowded
		}
	}
}

// writeAll writes what is queued, as far as c takes it.
func (b *Bus) writeAll(c *conn) {
	b.batch = b.out.take(&b.out.queue, b.batch)
	for _, sub := range b.watches.takeEnded() { // before a new one of the same subject
		unsubscribe(sub)
	}
	from := 0 // in the batch, of what was written and the confirmer has not heard of
	for i := range b.batch {
		it := &b.batch[i]
		var err error
		if it.watch != nil {
			b.subscribe(c, it.watch)
		} else {
			err = b.writeEnvelope(c, it)
		}
		switch {
		case errors.Is(err, nats.ErrConnectionClosed): // before it was written
			b.out.wrote(b.batch[from:i])
			b.out.putBack(&b.out.queue, b.batch[i:])
			return
		case err != nil:
			b.out.wrote(b.batch[from:i])
			b.out.finish(it, err)
			from = i + 1
		case i+1-from == chunk:
			b.out.wrote(b.batch[from : i+1])
			from = i + 1
		}
	}
	b.out.wrote(b.batch[from:])
}

// writeEnvelope writes that of it, or returns why not.
func (b *Bus) writeEnvelope(c *conn, it *item) error {
	if err := b.check(it); err != nil { // Publish has done so, but perhaps by the limits of another connection
		return b.refuseByLimit(err)
	}
	b.msg.Subject, b.msg.Reply, b.msg.Header, b.msg.Data = it.subject, "", it.header(&b.enc), it.envelope.Body
	var err error
	if it.stored {
		b.msg.Reply, err = b.replyTo(c, it)
	}
	if err == nil {
		err = c.nc.PublishMsg(&b.msg)
	}
	if err != nil {
		b.out.acks.forget(it)
	}
	switch {
	case err == nil, errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrHeadersNotSupported):
		return err
	case errors.Is(err, nats.ErrMaxPayload): // the server has told of a new limit just now
		return b.refuseByLimit(tooLarge(headerSize(b.msg.Header)+len(b.msg.Data), int(c.nc.MaxPayload())))
	}
	return fmt.Errorf("%w: %w", bus.ErrUnknown, err) // a failed write, and with it goes the connection
}
