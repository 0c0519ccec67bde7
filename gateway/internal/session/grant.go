package session

import (
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
)

// grant is what a subscription needs to be judged again.
type grant struct {
	guest    *login          // nil: it receives as the session does
	headers  []bus.Header    // of its SUBSCRIBE
	verdicts map[string]bool // by destination; of a subscription by pattern alone
}

// maxVerdicts is how many verdicts a subscription by pattern remembers; then it begins anew.
const maxVerdicts = 1000

// newGrant returns nil where there is nothing to remember, as there mostly is not.
func newGrant(guest *login, headers []bus.Header) *grant {
	if guest == nil && headers == nil {
		return nil
	}
	return &grant{guest: guest, headers: headers}
}

// guest is the login that the subscription depends on, nil for that of the session.
func (sub *subscription) guest() *login {
	if sub.grant == nil {
		return nil
	}
	return sub.grant.guest
}

// judge asks the rules whether the subscription may receive what is sent to destination, which for
// the subscription itself is its own.
func (sub *subscription) judge(destination string) (policy.Grant, *policy.Refusal) {
	s := sub.session
	l := s.login
	r := policy.Request{Destination: destination, From: s}
	if g := sub.grant; g != nil {
		r.Headers = g.headers
		if g.guest != nil {
			l = g.guest
		}
	}
	r.Claims = claimsOf(l.identity())
	return s.host.Rules.JudgeSubscribe(&r)
}

// Admits implements router.Outlet.
func (sub *subscription) Admits(_ *router.Subscription, destination string) bool {
	if sub.suspended {
		return true // Deliver counts it
	}
	if sub.grant == nil {
		sub.grant = &grant{}
	}
	g := sub.grant
	if admitted, judged := g.verdicts[destination]; judged {
		return admitted
	}
	_, refusal := sub.judge(destination)
	if g.verdicts == nil || len(g.verdicts) >= maxVerdicts {
		g.verdicts = map[string]bool{}
	}
	g.verdicts[destination] = refusal == nil
	return refusal == nil
}

// forget makes the subscription ask the rules again.
func (sub *subscription) forget() {
	if sub.grant != nil {
		sub.grant.verdicts = nil
	}
}

// rejudge looks again at the subscriptions that depend on a login, that of the session if guest is
// nil: one that the rules refuse now receives nothing until they don't.
func (s *Session) rejudge(guest *login) {
	for _, sub := range s.subs {
		if sub.guest() != guest {
			continue
		}
		sub.forget()
		if !sub.login {
			continue
		}
		_, refusal := sub.judge(sub.Destination)
		was := sub.suspended
		sub.suspended = refusal != nil
		if !was && sub.suspended && refusal.Code != policy.CodeLogin { // the client was told of a lapse before
			if s.refuse(origin{destination: sub.Destination}, refusal); s.state == closed {
				return
			}
		}
	}
}
