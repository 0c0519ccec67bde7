package session

import (
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
)

// grant is what a subscription needs to be judged again, beside the session's own login, and to be shown to others.
type grant struct {
	guest    *login       // nil: it receives as the session does
	headers  []bus.Header // of its SUBSCRIBE, if a rule looked at them
	standing *standing    // nil for one that is to no room, and to the presence of none
}

// verdicts says what the subscriptions by pattern of one login may receive, by destination. Those
// whose SUBSCRIBE had headers that count are judged each time.
type verdicts map[string]bool

// maxVerdicts is how many are remembered; then it begins anew.
const maxVerdicts = 1000

// newGrant returns nil where there is nothing to remember, as there mostly is not.
func (s *Session) newGrant(guest *login, headers []bus.Header) *grant {
	if !s.host.Rules.ReadsHeaders() {
		headers = nil
	}
	if guest == nil && headers == nil {
		return nil
	}
	return &grant{guest: guest, headers: headers}
}

// keeps is how many bytes of headers the session's subscriptions keep.
func (s *Session) keeps() (n int) {
	for _, sub := range s.subs {
		if sub.grant != nil {
			n += sizeOf(sub.grant.headers)
		}
	}
	return n
}

// by is the login that the subscription depends on; nil while nobody has logged the session in.
func (sub *subscription) by() *login {
	if sub.grant == nil || sub.grant.guest == nil {
		return sub.session.login
	}
	return sub.grant.guest
}

// judge asks the rules whether the subscription may receive what is sent to destination, which for
// the subscription itself is its name.
func (sub *subscription) judge(destination string) (policy.Grant, *policy.Refusal) {
	var headers []bus.Header
	if sub.grant != nil {
		headers = sub.grant.headers
	}
	r := sub.session.request(destination, headers, sub.by().identity())
	return sub.session.host.Rules.JudgeSubscribe(&r)
}

// Admits implements router.Outlet.
func (sub *subscription) Admits(_ *router.Subscription, destination string) bool {
	if sub.suspended {
		return true // Deliver counts it
	}
	if sub.grant != nil && sub.grant.headers != nil {
		_, refusal := sub.judge(destination)
		return refusal == nil
	}
	s := sub.session
	admitted, judged := s.busy().verdicts[sub.by()][destination]
	if !judged {
		_, refusal := sub.judge(destination)
		admitted = refusal == nil
		s.remember(sub.by(), destination, admitted)
	}
	return admitted
}

// remember keeps a verdict for the subscriptions of a login.
func (s *Session) remember(l *login, destination string, admitted bool) {
	work := s.busy()
	if work.verdicts == nil {
		work.verdicts = map[*login]verdicts{}
	}
	if len(work.verdicts[l])%maxVerdicts == 0 { // there are none, or too many
		work.verdicts[l] = verdicts{}
	}
	work.verdicts[l][destination] = admitted
}

// forget has the subscriptions by pattern of a login judged again, for each destination.
func (s *Session) forget(l *login) {
	if s.work != nil {
		delete(s.work.verdicts, l)
	}
}

// rejudge looks again at the subscriptions that depend on a login: one that the rules refuse now
// receives nothing, and is nowhere, until they don't.
func (s *Session) rejudge(l *login) {
	s.forget(l)
	for _, sub := range s.subs {
		if sub.by() != l {
			continue
		}
		if !sub.login { // it may be shown as another, or in another way
			sub.attend()
			continue
		}
		given, refusal := sub.judge(sub.name())
		if refusal == nil {
			sub.presence = given.Presence
		}
		was := sub.suspended
		sub.suspend(refusal != nil || sub.strays())
		sub.attend()
		if !was && refusal != nil && refusal.Code != policy.CodeLogin { // the client was told of a lapse before
			if s.refuse(origin{destination: sub.name()}, refusal); s.state == closed {
				return
			}
		}
	}
}
