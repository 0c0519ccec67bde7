package session

import (
	"context"

	"github.com/stompgw/stompgw/gateway/policy"
)

// inlineBody is how many bytes of a body the expressions of a route get on the loop. The densest
// JSON of that size takes about a millisecond; what is larger leaves the loop.
const inlineBody = 8 << 10

// rewrite has a route's expressions make what p publishes. While they work elsewhere, the session
// waits.
func (s *Session) rewrite(w *policy.Rewrite, p *publication, tx *transaction) {
	limit := s.host.Limits.Body
	if len(p.envelope.Body) <= inlineBody {
		s.rewritten(p, tx, w.Apply(context.Background(), &p.envelope, limit))
		return
	}
	var r *policy.Refusal
	s.aside(s.host.Workers, func(ctx context.Context) { r = w.Apply(ctx, &p.envelope, limit) }, func() { s.rewritten(p, tx, r) })
}

// rewritten publishes p, or tells why it is refused.
func (s *Session) rewritten(p *publication, tx *transaction, r *policy.Refusal) {
	if r == nil {
		s.dispose(p, tx)
		return
	}
	s.host.Log.Debug("not rewritten", "session", s, "destination", policy.Discreet(p.origin.destination), "err", r.Reason)
	s.refuseSend(p.origin, tx, r)
}
