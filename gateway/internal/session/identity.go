package session

import (
	"context"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// admit finds who f acts for, and carries it out. Where memory can't tell, the session waits.
func (s *Session) admit(f *stomp.Frame) {
	if s.host.Auth == nil || !asksWho(f.Command) {
		s.inspect(f, nil)
		return
	}
	now := s.host.Now()
	token, named, wellFormed := tokenOf(f)
	switch {
	case named && !wellFormed:
		s.inspect(f, nil)
	case !named && (s.login == nil || !s.login.counts(now, s.host.Auth.Leeway())):
		s.inspect(f, nil)
	case s.login != nil && (!named || s.login.who.Is(token)) && s.login.lapse < out && s.host.Auth.Fresh(s.login.who, now):
		s.inspect(f, s.login.who)
	case !named || s.login != nil && s.login.lapse < out && s.login.who.Is(token):
		s.verify(f, "", s.login.who)
	default:
		if who, err, known := s.host.Auth.Known(token, now); known {
			s.identified(f, who, err, token)
			return
		}
		s.verify(f, string(token), nil)
	}
}

// asksWho reports whether a frame of that command may bring a token, and is judged.
func asksWho(command string) bool {
	switch command {
	case "CONNECT", "STOMP", "SUBSCRIBE", "SEND":
		return true
	}
	return false
}

// tokenOf returns the token that a frame brings. named says that it has the header, and wellFormed
// that there is one in it.
func tokenOf(f *stomp.Frame) (token []byte, named, wellFormed bool) {
	for _, e := range f.Header {
		if strings.EqualFold(e.Name, "authorization") && len(e.Value) > 0 {
			token, ok := auth.Bearer(e.Value)
			return token, true, ok
		}
	}
	return nil, false, false
}

// verify has a token checked off the loop: the one of f, or if that has none, once more that of the
// session.
func (s *Session) verify(f *stomp.Frame, token string, again *auth.Identity) {
	kept := f.Clone()
	var who *auth.Identity
	var err error
	s.aside(s.host.Waiters, func(ctx context.Context) {
		if again != nil {
			who, err = s.host.Auth.Recheck(ctx, again)
		} else {
			who, err = s.host.Auth.Verify(ctx, token)
		}
	}, func() {
		if again != nil {
			s.rechecked(&kept, who, err)
		} else {
			s.identified(&kept, who, err, []byte(token))
		}
	})
}

// identified goes on with a frame whose token says who, or is bad, which makes its sender anonymous.
func (s *Session) identified(f *stomp.Frame, who *auth.Identity, err error, token []byte) {
	if err != nil {
		s.host.Log.Debug("token not taken", "session", s.id, "err", err)
		if s.login != nil && s.login.who.Is(token) {
			s.revoke(s.login, err)
		}
		s.inspect(f, nil)
		return
	}
	s.adopt(who)
	s.inspect(f, who)
}

// rechecked goes on with a frame without a token, which acts for the session's member if that one's
// is still good.
func (s *Session) rechecked(f *stomp.Frame, who *auth.Identity, err error) {
	if err != nil {
		s.revoke(s.login, err)
	}
	s.inspect(f, who)
}

// adopt lets an identity count beyond its frame where it may: the first that logs the session in,
// and later ones of the same member. What another member has subscribed to is renewed too.
func (s *Session) adopt(who *auth.Identity) {
	switch {
	case s.login == nil:
		s.login = &login{who: who}
		if s.state == open {
			s.enroll()
		}
		s.renewed(nil)
	case s.login.who.Member == who.Member:
		if s.login.renew(who) {
			s.renewed(nil)
		}
	default:
		if guest := s.guest(who.Member); guest != nil && guest.renew(who) {
			s.renewed(guest)
		}
	}
}

// loginOf returns what a subscription that who makes depends on: nil is the session's own login.
func (s *Session) loginOf(who *auth.Identity) *login {
	if who == nil || s.login == nil || s.login.who.Member == who.Member {
		return nil
	}
	guest := s.guest(who.Member)
	if guest == nil {
		guest = &login{who: who}
		work := s.busy()
		work.guests = append(slices.DeleteFunc(work.guests, s.isGone), guest)
		s.schedule()
	}
	return guest
}

// isGone reports whether no subscription depends on a guest any more.
func (s *Session) isGone(guest *login) bool {
	return !slices.ContainsFunc(s.subs, func(sub *subscription) bool { return sub.guest() == guest })
}

// guest returns the login of another member than the session's, by whose token something was
// subscribed to; nil if there is none.
func (s *Session) guest(member string) *login {
	if s.work == nil {
		return nil
	}
	for _, guest := range s.work.guests {
		if guest.who.Member == member {
			return guest
		}
	}
	return nil
}

// claimsOf returns the claims that count for a frame or a subscription of who; nil for nobody.
func claimsOf(who *auth.Identity) map[string]any {
	if who == nil {
		return nil
	}
	return who.Claims
}
