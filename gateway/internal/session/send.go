package session

import (
	"errors"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// retryAfter is what a client is told when the broker does not answer.
const retryAfter = 5 * time.Second

// publication is one SEND on its way to the bus.
type publication struct {
	session  *Session
	envelope bus.Envelope
	origin   origin
	send     *commit // the SEND that it is a part of, nil when it is all of it
	commit   *commit // the COMMIT it belongs to, nil for none
}

// send carries out SEND.
func (s *Session) send(f *stomp.Frame, who *auth.Identity) error {
	if _, err := required(f, "destination", "SEND"); err != nil {
		return err
	}
	tx, err := s.transactionOf(f)
	if err != nil {
		return err
	}
	o := originOf(f)
	if s.host.Handler != nil {
		if h := s.host.Handler(o.destination); h != nil {
			s.handle(h, f, who, tx)
			return nil
		}
	}
	headers := ownHeaders(f.Header)
	target, r := s.host.Rules.JudgeSend(&policy.Request{Destination: o.destination, Headers: headers, Member: memberOf(who), Claims: claimsOf(who), From: s})
	if r != nil {
		s.refuseSend(o, tx, r)
		return nil
	}
	p := &publication{session: s, origin: o, envelope: bus.Envelope{
		Destination: target.Destination,
		Headers:     headers,
		Body:        append([]byte(nil), f.Body...),
	}}
	if target.Session {
		p.envelope.Principal = s.Principal()
	}
	if target.Rewrite != nil {
		s.rewrite(target.Rewrite, p, tx)
	} else {
		s.dispose(p, tx)
	}
	return nil
}

// dispose publishes p, or has it wait for the COMMIT of its transaction, which is nil for none.
func (s *Session) dispose(p *publication, tx *transaction) {
	if tx != nil {
		s.enlist(tx, p.origin, p)
		return
	}
	s.publish([]*publication{p})
}

// refuseSend answers a SEND that is not published.
func (s *Session) refuseSend(o origin, tx *transaction, r *policy.Refusal) {
	if tx != nil {
		tx.failed = true
	}
	s.refuse(o, r)
}

// publish gives publications to the bus, in order. When it is full the session waits with the rest.
func (s *Session) publish(list []*publication) {
	for i, p := range list {
		err := s.host.Local.Publish(p.envelope, s, p.done)
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
		if p.answered() {
			s.receipts++
		}
	}
}

// size is about how many bytes of the client's p holds.
func (p *publication) size() int {
	return len(p.envelope.Destination) + len(p.envelope.Body) + sizeOf(p.envelope.Headers)
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

// ownHeaders returns what of a SEND's header is the sender's own and travels with the message.
func ownHeaders(header stomp.Header) []bus.Header {
	var own []bus.Header
	for i, e := range header {
		if policy.Travels(e.Name, e.Value) {
			if own == nil {
				own = make([]bus.Header, 0, len(header)-i)
			}
			own = append(own, bus.Header{Name: e.Name, Value: string(e.Value)})
		}
	}
	return own
}
