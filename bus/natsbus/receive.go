package natsbus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// Receive implements bus.Bus. It runs deliver on four goroutines of its own, and returns when the
// calls under way have returned. While deliver blocks, Config.Inbox envelopes wait in its lane, or a
// quarter of Config.InboxBytes, and further ones are dropped and counted. While a server does not
// permit the node's own subject, at first, when ready waits for it, or later, Healthy says so.
func (b *Bus) Receive(ctx context.Context, ready func(), deliver func(bus.Envelope)) error {
	answer := make(chan error, 2) // of one Watch: the server's, and that it takes it back
	if err := b.watchOwn(answer); errors.Is(err, bus.ErrClosed) {
		return err
	}
	b.receiving.Store(true)
	defer b.receiving.Store(false)
	var wg sync.WaitGroup
	for _, lane := range b.watches.lanes {
		wg.Go(func() { b.deliver(ctx, lane, deliver) })
	}
	wg.Go(func() { b.keepOwn(ctx, answer, sync.OnceFunc(ready)) })
	wg.Wait()
	return nil
}

// renewal is how long after the server refused the node's own subject it is asked again.
const renewal = time.Second

// watchOwn asks for what is meant for this node's principals.
func (b *Bus) watchOwn(answer chan<- error) error {
	return b.watch(b.own, "", func(err error) { answer <- err })
}

// keepOwn calls ready when the server has agreed to watchOwn, and asks again when it has not, or
// does not any more.
func (b *Bus) keepOwn(ctx context.Context, answer chan error, ready func()) {
	for {
		select {
		case err := <-answer:
			if err == nil {
				b.ownRefused.Store(nil)
				ready()
				continue
			}
			b.ownRefused.Store(&err)
		case <-ctx.Done():
			return
		}
		if !await(ctx, time.After(renewal)) || errors.Is(b.watchOwn(answer), bus.ErrClosed) {
			return
		}
	}
}

// await waits for c, and reports false if ctx ended instead.
func await[T any](ctx context.Context, c <-chan T) bool {
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return false
	}
}

// deliver hands on what comes through one lane until ctx ends.
func (b *Bus) deliver(ctx context.Context, lane *lane, deliver func(bus.Envelope)) {
	for {
		select {
		case msg := <-lane.waiting:
			lane.took(msg)
			if e, ok := b.envelope(msg); ok {
				deliver(e)
			}
		case <-ctx.Done():
			return
		}
	}
}

// envelope returns what msg carries. ok is false when nobody wants it any more, and when a foreign
// publisher sent what can't be understood.
func (b *Bus) envelope(msg *nats.Msg) (e bus.Envelope, ok bool) {
	if msg.Sub.Subject == b.own {
		e, ok = b.individual(msg)
	} else {
		e, ok = b.broadcast(msg)
	}
	if !ok {
		return e, false
	}
	e.Body = msg.Data
	e.Headers = decodeHeaders(msg.Header)
	return e, true
}

// individual returns to whom msg is addressed, if a foreign publisher says so.
func (b *Bus) individual(msg *nats.Msg) (e bus.Envelope, ok bool) {
	if e.Principal, e.Destination, ok = addressee(msg.Header); !ok {
		b.skipped.Add(1)
		b.log.Debug("individual NATS message without " + principalHeader + " and " + destinationHeader)
	}
	return e, ok
}

// broadcast returns what msg was published to, and the watch that brought it, if there still is one.
// What matches a wildcard may be no subject of ours.
func (b *Bus) broadcast(msg *nats.Msg) (e bus.Envelope, ok bool) {
	w, live := b.watches.of(msg.Sub.Subject)
	if !live {
		return e, false
	}
	e.Watch, e.Destination = w.destination, w.destination
	if !w.wide {
		return e, true
	}
	if e.Destination, ok = decodeSubject(b.cfg.Prefix, msg.Subject); !ok {
		b.skipped.Add(1)
		b.log.Debug("NATS message to a subject that stands for no destination", "watch", w.destination)
	}
	return e, ok
}
