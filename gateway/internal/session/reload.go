package session

import (
	"context"
	"slices"

	"github.com/stompgw/stompgw/gateway/policy"
)

// Reload makes other rules count. It runs on the loop of the sessions, and looks at their
// subscriptions bit by bit: until all are done, some receive as the old rules had it. Then done is
// told how many ended.
func (h *Host) Reload(rules *policy.Catalogue, done func(ended int)) {
	h.Rules = rules
	ended := 0
	inTurns(context.Background(), h.Local, h.sessions(), func(s *Session) { ended += s.reload() }, func() { done(ended) })
}

// KeysGone lets the logins lapse whose key has gone: their clients are told now. It runs on the loop of
// the sessions.
func (h *Host) KeysGone() {
	inTurns(context.Background(), h.Local, h.sessions(), (*Session).keysGone, func() {})
}

func (s *Session) keysGone() {
	now := s.host.Now()
	for l := range s.logins {
		s.lapse(l, now)
	}
	s.schedule()
}

// reload judges the subscriptions by the rules that the host has now. Those that they don't allow
// end, and the client is told which.
func (s *Session) reload() (ended int) {
	if s.work != nil {
		s.work.verdicts = nil
	}
	for _, sub := range slices.Clone(s.subs) {
		given, refusal := sub.judge(sub.Destination)
		switch {
		case refusal == nil:
			sub.login, sub.suspended = given.Login, false
		case refusal.Code == policy.CodeLogin && sub.suspended: // it waits for a renewal, as before
		default:
			s.endSubscription(sub, refusal)
			ended++
		}
		if s.state == closed {
			return ended
		}
	}
	return ended
}
