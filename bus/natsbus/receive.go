package natsbus

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// Receive implements bus.Bus. It runs deliver on four goroutines of its own, and returns when the
// calls under way have returned. While deliver blocks, Config.Inbox envelopes wait in its lane, and
// further ones are dropped and counted.
func (b *Bus) Receive(ctx context.Context, ready func(), deliver func(bus.Envelope)) error {
	own := item{watch: b.watches.open(b.own, ""), done: func(err error) {
		if err == nil {
			ready()
		}
	}}
	if err := b.out.acceptWatch(own); err != nil {
		return err
	}
	b.receiving.Store(true)
	defer b.receiving.Store(false)
	var wg sync.WaitGroup
	for _, lane := range b.watches.lanes {
		wg.Go(func() { b.deliver(ctx, lane, deliver) })
	}
	wg.Wait()
	return nil
}

// deliver hands on what comes through one lane until ctx ends.
func (b *Bus) deliver(ctx context.Context, lane <-chan *nats.Msg, deliver func(bus.Envelope)) {
	for {
		select {
		case msg := <-lane:
			if e, ok := b.envelope(msg); ok {
				deliver(e)
			}
		case <-ctx.Done():
			return
		}
	}
}

// envelope returns what msg carries. ok is false when nobody wants it any more, and when a foreign
// publisher sent an individual message without saying to whom.
func (b *Bus) envelope(msg *nats.Msg) (e bus.Envelope, ok bool) {
	e.Body = msg.Data
	if msg.Sub.Subject == b.own {
		if e.Principal, e.Destination, ok = addressee(msg.Header); !ok {
			b.log.Debug("individual NATS message without " + principalHeader + " and " + destinationHeader)
			return e, false
		}
	} else {
		if e.Destination, ok = b.watches.destination(msg.Sub.Subject); !ok {
			return e, false
		}
		e.Watch = e.Destination
	}
	e.Headers = decodeHeaders(msg.Header)
	return e, true
}
