package session

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// admit finds who f acts for, and carries it out. Where memory can't tell, the session waits.
func (s *Session) admit(f *stomp.Frame) {
	if s.host.Auth == nil || !asksWho(f.Command) {
		s.admitNobody(f)
		return
	}
	now := s.host.Now()
	token, named, wellFormed := tokenOf(f)
	switch {
	case named && !wellFormed:
		s.logToken(errNoBearer)
		s.inspect(f, nil)
	case s.actsAsSession(token, named, now):
		s.admitMember(f, now)
	case !named:
		s.inspect(f, nil)
	default:
		if who, err, known := s.host.Auth.Known(token, now); known {
			s.identified(f, who, err, token)
		} else {
			s.verify(f, string(token))
		}
	}
}

// admitNobody carries out a frame of which no token counts.
func (s *Session) admitNobody(f *stomp.Frame) {
	if s.state == connecting && s.host.Auth == nil {
		if _, named, _ := tokenOf(f); named {
			s.logToken(errNoIssuer)
		}
	}
	s.inspect(f, nil)
}

// actsAsSession reports whether a frame acts for the session's member: without a token while the login
// counts, or with the token of the login, unless its key has gone.
func (s *Session) actsAsSession(token []byte, named bool, now time.Time) bool {
	switch {
	case s.login == nil || s.login.lapse == out:
		return false
	case named:
		return s.login.who.Is(token) && !s.login.who.KeyGone()
	}
	return s.login.counts(now, s.host.Auth.Leeway())
}

// admitMember carries out a frame of the session's member, if that one's token still stands.
func (s *Session) admitMember(f *stomp.Frame, now time.Time) {
	who := s.login.who
	if s.host.Auth.Fresh(who, now) {
		s.inspect(f, who)
		return
	}
	kept := f.Clone()
	s.recheck(who, func(still *auth.Identity) { s.inspect(&kept, still) })
}

// recheck has the token of who looked at again off the loop, and then goes on with who, or with nil
// if the token is not taken any more.
func (s *Session) recheck(who *auth.Identity, then func(still *auth.Identity)) {
	var still *auth.Identity
	err := context.Canceled
	s.aside(s.host.Checks, func(ctx context.Context) { still, err = s.host.Auth.Recheck(ctx, who) }, func() {
		if err != nil {
			s.revokeIdentity(who, err)
		}
		then(still)
	})
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

// verify has the token of f checked off the loop.
func (s *Session) verify(f *stomp.Frame, token string) {
	kept := f.Clone()
	var who *auth.Identity
	err := context.Canceled
	s.aside(s.host.Checks, func(ctx context.Context) { who, err = s.host.Auth.Verify(ctx, token) }, func() {
		s.identified(&kept, who, err, []byte(token))
	})
}

// identified goes on with a frame whose token says who, or is bad, which makes its sender anonymous.
func (s *Session) identified(f *stomp.Frame, who *auth.Identity, err error, token []byte) {
	if err != nil {
		s.logToken(err)
		fault, ok := errors.AsType[*auth.Error](err)
		s.late = s.state == connecting && ok && fault.Expired()
		s.revokeToken(token, err)
		s.inspect(f, nil)
		return
	}
	if left := s.barred(who); left > 0 {
		s.keepOut(f, left)
		return
	}
	s.adopt(who)
	s.inspect(f, who)
}

// Why a token is not looked at.
var (
	errNoIssuer = errors.New("this node takes nobody's tokens: no issuer is configured")
	errNoBearer = errors.New("the header Authorization is not the word Bearer and a token")
)

// logToken tells why a token was not taken. It is worth a line where a client has connected as nobody for
// that: CONNECTED says no more of it than the word.
func (s *Session) logToken(err error) {
	if s.state != connecting ||
		!s.host.Lines.token.Log(s.host.Log, slog.LevelInfo, "the token of a CONNECT is not taken", "remote", s.conn.Remote(), "err", err) {
		s.host.Log.Debug("token not taken", "session", s, "err", err)
	}
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
	case s.login.who.Same(who):
		before, now := s.login.who.Expires, s.host.Now()
		if s.login.renew(who, now) {
			if !who.Expires.Equal(before) {
				s.login.publishSoon(now)
			}
			s.renewed(nil)
		}
	default:
		if guest := s.guest(who); guest != nil && guest.renew(who, s.host.Now()) {
			s.renewed(guest)
		}
	}
}

// loginOf returns what a subscription that who makes depends on: nil is the session's own login.
func (s *Session) loginOf(who *auth.Identity) *login {
	if who == nil || s.login == nil || s.login.who.Same(who) {
		return nil
	}
	guest := s.guest(who)
	if guest == nil {
		guest = &login{who: who, check: s.nextCheck(s.host.Now())}
		work := s.busy()
		work.guests = append(slices.DeleteFunc(work.guests, s.isGone), guest)
		s.schedule()
	}
	return guest
}

// isGone reports whether no subscription depends on a guest any more, and forgets what is known of
// such a one.
func (s *Session) isGone(guest *login) bool {
	if slices.ContainsFunc(s.subs, func(sub *subscription) bool { return sub.guest() == guest }) {
		return false
	}
	s.forget(guest)
	return true
}

// guest returns the login of who, another member than the session's, by whose token something was
// subscribed to; nil if there is none.
func (s *Session) guest(who *auth.Identity) *login {
	if s.work == nil {
		return nil
	}
	for _, guest := range s.work.guests {
		if guest.who.Same(who) {
			return guest
		}
	}
	return nil
}

// memberOf returns the member that who is, as JSON; "" for nobody.
func memberOf(who *auth.Identity) string {
	if who == nil {
		return ""
	}
	return who.Member
}

// claimsOf returns the claims that count for a frame or a subscription of who; nil for nobody.
func claimsOf(who *auth.Identity) map[string]any {
	if who == nil {
		return nil
	}
	return who.Claims
}
