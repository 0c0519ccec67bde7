package router

import (
	"context"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
)

// PresenceOnBus is how the destinations of the bus begin by which nodes tell each other who is where.
const PresenceOnBus = "$presence"

// Audience is those of the subscriptions to one destination that receive the same.
type Audience uint8

// TakePresence has take receive what nodes tell of who is where, on goroutines of the bus; it may wait until ctx ends, and
// borrows e for the call. Nobody else receives that. It is called before Run.
func (r *Router) TakePresence(take func(ctx context.Context, e bus.Envelope)) { r.presence = take }

// presenceOnly gives presence what is its own, and reports whether e is. What was published before, or to one session, is
// nobody's.
func (r *Router) presenceOnly(ctx context.Context, e *bus.Envelope) bool {
	if !destination.IsUnder(e.Destination, PresenceOnBus) {
		return false
	}
	if past := e.Mark != nil && (e.Mark.Past || e.Mark.Hole); r.presence != nil && e.Principal == "" && !past {
		r.presence(ctx, *e)
	}
	return true
}

// Watch asks for what is published to a destination of which no loop has subscribers, and that is watched once at a time. tell
// hears how that turns out, and later if the bus takes it back, as bus.Narrower says; perhaps before Watch returns, and it must not call the
// router. On a bus that brings everything it hears once, when that delivers.
func (r *Router) Watch(watch string, tell func(error)) {
	if r.narrower == nil {
		r.whenLive(tell)
		return
	}
	r.narrower.Watch(watch, tell)
}

// Unwatch takes back a Watch that was not refused.
func (r *Router) Unwatch(watch string) {
	if r.narrower != nil {
		r.narrower.Unwatch(watch)
	}
}

// Message makes a message of this node that does not cross the bus. Any goroutine may call it.
func (r *Router) Message(e bus.Envelope) *Message {
	return r.message(e, e.Destination, e.Destination)
}

// Attach adds s to the table, as one of an audience of its destination, which is none of the bus: nothing is watched for it, and it
// receives what Hand and Deliver bring.
func (l *Local) Attach(s *Subscription, to Audience) {
	s.audience = to
	l.table.add(s)
}

// Detach undoes Attach.
func (l *Local) Detach(s *Subscription) { l.table.remove(s) }

// Hand hands a message to an audience of its destination.
func (l *Local) Hand(m *Message, to Audience) {
	n := uint64(0)
	for _, s := range l.table.exact[m.Destination] {
		if s.audience == to && s.Outlet.Deliver(s, m.Seq, l.packer.pack(m, "", s)) {
			n++
		}
	}
	l.delivered.Add(n)
	l.packer.reset()
}

// PostWait is Post for who has no end of what to post: it waits while the loop has too much to do, until ctx ends. A loop must
// not call it.
func (l *Local) PostWait(ctx context.Context, fn func()) error { return l.loop.PostWait(ctx, fn) }
