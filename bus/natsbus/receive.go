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
// permit the node's own subject, whether at first, when ready waits for that, or later, Healthy says so.
func (b *Bus) Receive(ctx context.Context, ready func(), deliver func(bus.Envelope)) error {
	if _, closed := b.out.state(); closed {
		return bus.ErrClosed
	}
	b.receiving.Store(true)
	defer b.receiving.Store(false)
	var wg sync.WaitGroup
	for _, lane := range b.watches.lanes {
		wg.Go(func() { b.deliver(ctx, lane, deliver) })
	}
	wg.Go(func() { b.keepOwn(ctx, sync.OnceFunc(ready)) })
	wg.Wait()
	return nil
}

// renewal is how long after the server refused the node's own subject it is asked again.
const renewal = time.Second

// keepOwn asks for what is meant for this node's principals, calls ready when the server has agreed, and asks again when it
// has not, or does not any more.
func (b *Bus) keepOwn(ctx context.Context, ready func()) {
	answer := make(chan error, 2) // of one watch: the server's, and that it takes it back
	ask := func() { b.watch(b.own, "", nil, func(err error) { answer <- err }) }
	ask()
	for {
		select {
		case err := <-answer:
			if err == nil {
				b.ownRefused.Store(nil)
				ready()
				continue
			}
			if b.ownRefused.Store(&err); errors.Is(err, bus.ErrClosed) {
				return
			}
		case <-ctx.Done():
			return
		}
		if !await(ctx, time.After(renewal)) {
			return
		}
		ask()
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
			b.deliverOne(lane, msg, deliver)
		case <-lane.wake:
			b.catchUp(lane, deliver)
			for _, task := range lane.takeTasks() {
				task(deliver)
			}
		case <-ctx.Done():
			return
		}
	}
}

// deliverOne hands on msg.
func (b *Bus) deliverOne(lane *lane, msg *nats.Msg, deliver func(bus.Envelope)) {
	lane.took(msg)
	w, live := b.watches.of(msg.Sub.Subject)
	if live && w.trail != nil {
		w.trail.arrived(msg, deliver)
	} else if e, ok := b.envelope(msg, w, live); ok {
		deliver(e)
	}
}

// catchUp hands on what is in the lane, so that a task finds what came before it.
func (b *Bus) catchUp(lane *lane, deliver func(bus.Envelope)) {
	for range len(lane.arrived) + len(lane.waiting) {
		select {
		case msg := <-lane.waiting:
			b.deliverOne(lane, msg, deliver)
		default:
			return
		}
	}
}

// envelope returns what msg carries, and the watch that brought it, if there still is one. ok is false when
// nobody wants it any more, and when a foreign publisher sent what can't be understood: it does not say to whom,
// or what matches a wildcard is no subject of ours.
func (b *Bus) envelope(msg *nats.Msg, w *watch, live bool) (e bus.Envelope, ok bool) {
	fault := "NATS message to a subject that stands for no destination"
	if msg.Sub.Subject == b.own {
		fault = "individual NATS message without " + principalHeader + " and " + destinationHeader
		e.Principal, e.Destination, ok = addressee(msg.Header)
	} else {
		if !live {
			return e, false
		}
		e.Watch, e.Destination, ok = w.destination, w.destination, true
		if w.wide {
			e.Destination, ok = decodeSubject(b.cfg.Prefix, msg.Subject)
		}
	}
	if !ok {
		b.skipped.Add(1)
		b.log.Debug(fault, "watch", e.Watch)
		return e, false
	}
	e.Member, e.Body, e.Headers = memberOf(msg.Header), msg.Data, decodeHeaders(msg.Header)
	return e, true
}
