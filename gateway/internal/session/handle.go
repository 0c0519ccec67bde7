package session

import (
	"context"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Handler is code of whoever embeds the gateway that takes a SEND in the place of a route.
type Handler func(ctx context.Context, in *Inspection) Reaction

// Reaction is what a Handler wants to happen, in this order.
type Reaction struct {
	Replies []bus.Envelope // to the sender's session, without the bus; Destination is as the session subscribes
	Publish []bus.Envelope // to all who subscribe
	Outcome Outcome        // of the SEND itself; one that does not pass undoes the others
}

// handle has h do what the SEND f asks for.
func (s *Session) handle(h Handler, f *stomp.Frame, who *auth.Identity, tx *transaction) {
	in := &Inspection{Session: s.Describe(), Who: who, Frame: f.Clone()}
	o := originOf(f)
	reaction := Reaction{Outcome: Outcome{Refusal: policy.Refuse(policy.CodeInternal)}} // of code that ends its goroutine
	s.aside(s.host.Waiters, func(ctx context.Context) { reaction = h(ctx, in) }, func() { s.react(reaction, o, tx) })
}

func (s *Session) react(r Reaction, o origin, tx *transaction) {
	if !s.obey(r.Outcome, o) {
		if tx != nil && r.Outcome.Refusal != nil {
			tx.failed = true
		}
		return
	}
	for _, e := range r.Replies {
		s.Receive(s.host.Local.Message(e))
	}
	list := make([]*publication, len(r.Publish))
	for i, e := range r.Publish {
		list[i] = &publication{session: s, envelope: e, origin: o}
	}
	s.publishAll(list, o, tx)
}

// publishAll publishes what a SEND has become; its RECEIPT says that the bus has all of it.
func (s *Session) publishAll(list []*publication, o origin, tx *transaction) {
	if len(list) == 0 {
		s.receipt(o.receipt)
		return
	}
	send := &commit{origin: o, left: len(list), isSend: true}
	for _, p := range list {
		p.send = send
	}
	if tx != nil {
		s.enlist(tx, o, list...)
		return
	}
	s.publish(list)
}
