package natsbus

import (
	"fmt"

	"github.com/stompgw/stompgw/bus"
)

// Publish implements bus.Bus. Besides the errors named there it refuses an envelope whose principal
// names no node, or with ErrDestination or bus.ErrTooLarge.
func (b *Bus) Publish(e bus.Envelope, done func(error)) error {
	if err := b.check(&e); err != nil {
		return b.refuseByLimit(err)
	}
	if b.link.silence() >= b.cfg.Silence && !b.out.isClosed() {
		return bus.ErrDown
	}
	return b.out.accept(item{envelope: e, done: done, size: size(&e)})
}

// check refuses what the server would not take.
func (b *Bus) check(e *bus.Envelope) error {
	if err := b.checkSubject(e); err != nil {
		return err
	}
	limit := int(b.maxPayload.Load())
	if limit == 0 || escapedSize(e) <= limit {
		return nil // unknown yet, or surely small enough
	}
	var enc headerEncoder
	if wire := headerSize(enc.encode(e)) + len(e.Body); wire > limit {
		return tooLarge(wire, limit)
	}
	return nil
}

func (b *Bus) checkSubject(e *bus.Envelope) error {
	limit := int(b.maxSubject.Load())
	if e.Principal == "" {
		return checkLength(b.cfg.Prefix, e.Destination, limit)
	}
	node, ok := bus.Node(e.Principal)
	if !ok {
		return fmt.Errorf("natsbus: principal %.80q: want <epoch>/<uuid>/<session>/<time>, to know its node", e.Principal)
	}
	if n := len(nodeSubject(b.cfg.Prefix, node)); n > limit {
		return fmt.Errorf("%w: the node name in principal %.40q... takes %d bytes as a NATS subject, at most %d are possible",
			ErrDestination, e.Principal, n, limit)
	}
	return nil
}

func tooLarge(wire, limit int) error {
	return fmt.Errorf("%w: body and headers take %d bytes and the server's max_payload is %d: raise that, or lower limits.message",
		bus.ErrTooLarge, wire, limit)
}

// size returns the bytes of e that count against Config.Bytes.
func size(e *bus.Envelope) int {
	n := len(e.Body) + len(e.Destination) + len(e.Principal)
	for _, entry := range e.Headers {
		n += len(entry.Name) + len(entry.Value)
	}
	return n
}

// escapedSize returns more bytes than e can take on the wire: all escaped, and each name once
// more in the order.
func escapedSize(e *bus.Envelope) int {
	const perEntry, fixed = 64, 256
	return 4*(size(e)-len(e.Body)) + perEntry*len(e.Headers) + fixed + len(e.Body)
}
