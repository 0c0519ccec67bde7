package session

import (
	"context"
	"slices"

	"github.com/stompgw/stompgw/gateway/policy"
)

// Reload makes other rules count. It runs on the loop of the sessions, and looks at their
// subscriptions bit by bit: until all are done, some receive as the old rules had it.
func (h *Host) Reload(rules *policy.Catalogue) {
	h.Rules = rules
	inTurns(context.Background(), h.Local, h.sessions(), (*Session).reload, func() {})
}

// reload judges the subscriptions by the rules that the host has now. Those that they don't allow
// end, and the client is told which.
func (s *Session) reload() {
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
			o := origin{destination: sub.Destination}
			if sub.entering != nil { // this is the answer
				o, sub.entering = *sub.entering, nil
			}
			s.drop(sub)
			s.refuse(o, refusal)
		}
		if s.state == closed {
			return
		}
	}
}
