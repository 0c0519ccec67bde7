package session

import (
	"context"
	"errors"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// retryAfter is what a client is told when the broker does not answer.
const retryAfter = 5 * time.Second

// inlineBody is how many bytes of a body the expressions of a route, and the schema of a channel, get on the loop. The
// densest JSON of that size takes about a millisecond; what is larger leaves the loop.
const inlineBody = 8 << 10

// publication is one message on its way to the bus: what a SEND has become, or a part of it.
type publication struct {
	session  *Session
	envelope bus.Envelope
	origin   origin
	backend  *backend // that it is for; nil when it is for subscribers
	send     *commit  // the SEND that it is a part of, nil when it is all of it
	commit   *commit  // the COMMIT it belongs to, nil for none
}

// judge decides what a SEND becomes: the embedder's handler does, or the rules.
func (s *Session) judge(p *passage) (err error) {
	f := &p.Frame
	if f.Command != "SEND" {
		return nil
	}
	if _, err := required(f, "destination"); err != nil {
		return err
	}
	if p.tx, err = s.transactionOf(f); err != nil {
		return err
	}
	p.origin = originOf(f)
	if s.host.Handler != nil {
		if h := s.host.Handler(p.origin.destination); h != nil {
			s.show(p, func(ctx context.Context, p *passage) { p.Reaction = h(ctx, &p.Inspection) })
			return nil
		}
	}
	r := s.request(p.origin.destination, ownHeaders(f), p.Who)
	var target policy.Target
	if target, p.Outcome.Refusal = s.host.Rules.JudgeSend(&r); p.Outcome.Refusal != nil {
		return nil
	}
	if q := target.Quota; q != nil {
		if target.Rewrite == nil {
			p.Outcome.Refusal = q.Fits(len(f.Body))
		}
		if p.Outcome.Refusal != nil || s.isOver(p, q) {
			return nil
		}
	}
	p.made = []publication{{session: s, origin: p.origin, envelope: bus.Envelope{
		Destination: target.Destination, Headers: r.Headers, Body: append([]byte(nil), f.Body...),
	}}}
	p.to = target.To
	if target.From && p.Who != nil {
		p.made[0].envelope.Member = p.Who.Inbox()
	}
	if target.Session {
		p.made[0].envelope.Principal = s.Principal()
	}
	if target.Rewrite != nil || target.Contents != nil {
		s.shape(p, &target)
	}
	return nil
}

// request is what the rules are asked about what the client calls destination, on behalf of who, nil for nobody.
func (s *Session) request(destination string, headers []bus.Header, who *auth.Identity) policy.Request {
	r := policy.Request{Destination: destination, Headers: headers, From: s}
	if who != nil {
		r.Member, r.Claims = who.Member, who.Claims
		if s.host.Rules.IsMember(destination) {
			r.Inbox = who.Inbox()
		}
	}
	return r
}

// ownHeaders returns what of a frame's header is the sender's own, and travels with a message.
func ownHeaders(f *stomp.Frame) (own []bus.Header) {
	for i, e := range f.Header {
		if !policy.Travels(e.Name, e.Value) || f.Command == "SUBSCRIBE" && (e.Name == stomp.HeaderID || e.Name == stomp.HeaderSelector) {
			continue
		}
		if own == nil {
			own = make([]bus.Header, 0, len(f.Header)-i)
		}
		own = append(own, bus.Header{Name: e.Name, Value: string(e.Value)})
	}
	return own
}

// shape has a route's expressions make what is published, and holds that to what its channel carries.
func (s *Session) shape(p *passage, t *policy.Target) {
	w, q, c := t.Rewrite, t.Quota, t.Contents
	if w == nil {
		s.hold(p, c)
		return
	}
	apply := func(ctx context.Context, p *passage) {
		e := &p.made[0].envelope
		if p.Outcome.Refusal = w.Apply(ctx, e, s.host.Limits.Body); p.Outcome.Refusal == nil {
			p.Outcome.Refusal = q.Fits(len(e.Body))
		}
	}
	if len(p.Frame.Body) <= inlineBody {
		if apply(context.Background(), p); p.Outcome.Refusal == nil {
			s.hold(p, c)
		}
		return
	}
	s.away(p, func(ctx context.Context, p *passage) {
		if apply(ctx, p); p.Outcome.Refusal == nil {
			p.Outcome.Refusal = c.Check(p.made[0].envelope.Body)
		}
	})
}

// hold holds what is published to what its channel carries, nil for anything: on the loop, if that does not take long.
func (s *Session) hold(p *passage, c *policy.Contents) {
	body := p.made[0].envelope.Body
	if len(body) <= inlineBody {
		refusal, decided := c.Glance(body)
		if p.Outcome.Refusal = refusal; decided {
			return
		}
	}
	if c != nil {
		s.away(p, func(_ context.Context, p *passage) { p.Outcome.Refusal = c.Check(body) })
	}
}

// away has the workers do what takes too long for a loop.
func (s *Session) away(p *passage, fn func(context.Context, *passage)) {
	p.Frame.Header, p.Frame.Body = p.Frame.Header[:0], nil // what is published has copies
	s.park(p, s.host.Workers, fn)
}

// send does what has become of a SEND.
func (s *Session) send(p *passage) {
	if !s.passes(p) {
		return
	}
	for _, e := range p.Replies {
		s.Receive(s.host.Local.Message(e))
	}
	list := p.made
	if p.to != (bus.Target{}) {
		list = s.withBackend(p)
	}
	for _, e := range p.Publish {
		if p.Who != nil && s.host.Rules.ShowsSender(e.Destination) {
			e.Member = p.Who.Inbox()
		}
		list = append(list, publication{session: s, envelope: e, origin: p.origin})
	}
	if len(list) > 1 { // one RECEIPT says that the bus has all of them
		whole := &commit{origin: p.origin, left: len(list), isSend: true}
		for i := range list {
			list[i].send = whole
		}
	}
	switch {
	case len(list) == 0:
		s.receipt(p.origin.receipt)
	case p.tx != nil:
		s.enlist(p, list)
	default:
		s.publish(list)
	}
}

// publish gives publications to the bus, in order. When it is full the session waits with the rest.
func (s *Session) publish(list []publication) {
	for i := range list {
		p := &list[i]
		var to bus.Target
		if p.backend != nil {
			to = p.backend.to
		}
		err := s.host.Local.Publish(to, p.envelope, s, p.done)
		switch {
		case errors.Is(err, bus.ErrFull):
			s.busy().stalled = list[i:]
			s.pause()
			return
		case err != nil:
			s.published(p, err)
			if s.state == closed {
				return
			}
			continue
		}
		s.host.Stats.Published.Add(1)
		s.ask(p)
		if p.answered() {
			s.receipts++
		}
	}
}

// size is about how many bytes of the client's p holds.
func (p *publication) size() int {
	return len(p.envelope.Destination) + len(p.envelope.Member) + len(p.envelope.Body) + sizeOf(p.envelope.Headers)
}

// sizeOf is how many bytes header entries have.
func sizeOf(headers []bus.Header) (n int) {
	for _, h := range headers {
		n += len(h.Name) + len(h.Value)
	}
	return n
}

// answered reports whether the client, or what p is a part of, waits for the outcome.
func (p *publication) answered() bool {
	return p.origin.receipt != "" || p.send != nil || p.commit != nil
}

// done runs on a goroutine of the bus.
func (p *publication) done(err error) {
	if err == nil && !p.answered() {
		return
	}
	p.session.host.Local.Post(func() {
		if p.session.state == closed {
			return
		}
		if p.answered() {
			p.session.receipts--
		}
		p.session.published(p, err)
		p.session.tryLeave()
	})
}

// published tells the client how a publication has ended.
func (s *Session) published(p *publication, err error) {
	switch {
	case err != nil:
		s.refuse(p.origin, refusalOf(err))
	case p.send == nil:
		s.receipt(p.origin.receipt)
	}
	for _, c := range [...]*commit{p.send, p.commit} {
		if c != nil && s.state != closed {
			s.settle(c, err == nil)
		}
	}
}

func refusalOf(err error) *policy.Refusal {
	switch {
	case errors.Is(err, bus.ErrUnknown):
		return policy.Refuse(policy.CodeUnknown)
	case errors.Is(err, bus.ErrDown), errors.Is(err, bus.ErrClosed):
		r := policy.Refuse(policy.CodeUnavailable)
		r.RetryAfter = retryAfter
		return r
	case errors.Is(err, bus.ErrTooLarge):
		return policy.Refuse(policy.CodeTooLarge)
	case errors.Is(err, bus.ErrContent):
		return policy.Refuse(policy.CodeContent)
	case errors.Is(err, ErrTooMany):
		return policy.Refuse(policy.CodeManyPresent)
	case errors.Is(err, bus.ErrCrowded):
		return policy.Refuse(policy.CodeEnded)
	}
	return policy.Refuse(policy.CodeDestination)
}

// Unblock implements router.Publisher: the bus may have room again.
func (s *Session) Unblock() {
	if s.state >= leaving || s.work == nil || len(s.work.stalled) == 0 {
		return
	}
	list := s.work.stalled
	s.work.stalled = nil
	s.publish(list)
	s.goOn()
}
