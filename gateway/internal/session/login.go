package session

import (
	"context"
	"errors"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

// checkEvery is how often the token of a login is looked up while no frame makes it so: a client that
// only listens uses its token too.
const checkEvery = time.Minute

// publishAfter is how long the registry keeps an expiry that a renewal has changed: a client may
// bring two tokens by turns, and Redis need not hear of each.
const publishAfter = time.Second

// login is an identity that counts beyond its frame: that of the session, or of another member by
// whose token something was subscribed to.
type login struct {
	who     *auth.Identity
	check   time.Time // when its token is looked up, if no frame has it looked up before; zero for never
	publish time.Time // when the registry is told of its new expiry; zero for never
	lapse   lapse
	stale   bool // its subscriptions are about to be judged again
}

// lapse is how far a login has ended. Only a renewal takes it back.
type lapse uint8

const (
	current lapse = iota
	told          // the identity has ended, and the client knows
	out           // the time of grace is over, or the token was revoked
)

// counts reports whether the identity decides about frames without a token: until it has ended, and
// clocks may differ.
func (l *login) counts(now time.Time, leeway time.Duration) bool {
	return l.lapse < out && now.Before(l.who.Ends().Add(leeway))
}

// identity is whom subscriptions receive as; nil for nobody.
func (l *login) identity() *auth.Identity {
	if l == nil || l.lapse == out {
		return nil
	}
	return l.who
}

// renew puts who, which is of the same member, in the place of the identity. It reports false if it
// was there already, or if its token has expired: where clocks may differ, that counts for its frame
// alone.
func (l *login) renew(who *auth.Identity, now time.Time) bool {
	if l.who == who && l.lapse < out || !now.Before(who.Ends()) {
		return false
	}
	l.who, l.lapse = who, current
	return true
}

// lapses is when the login lapses next; the zero time for never.
func (l *login) lapses(grace time.Duration) time.Time {
	switch l.lapse {
	case current:
		return l.who.Ends()
	case told:
		return l.who.Ends().Add(grace)
	}
	return time.Time{}
}

// due is when something happens to the login next; the zero time for never.
func (l *login) due(grace time.Duration) time.Time {
	at := l.lapses(grace)
	if !at.IsZero() {
		at = earlier(at, l.check)
	}
	return earlier(at, l.publish)
}

// earlier returns the earlier of two times, of which the zero time is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// publishSoon has the registry told of the expiry, once for all that changes it until then.
func (l *login) publishSoon(now time.Time) {
	if l.publish.IsZero() {
		l.publish = now.Add(publishAfter)
	}
}

// logins calls each for the session's login, which it names nil, and for those of its guests.
func (s *Session) logins(each func(guest, l *login)) {
	if s.login != nil {
		each(nil, s.login)
	}
	if s.work != nil {
		for _, guest := range s.work.guests {
			each(guest, guest)
		}
	}
}

// schedule finds out when something happens to a login next.
func (s *Session) schedule() {
	s.nextLogin = 0
	s.logins(func(_, l *login) {
		if at := l.due(s.host.Grace); !at.IsZero() && (s.nextLogin == 0 || at.UnixMilli() < s.nextLogin) {
			s.nextLogin = max(at.UnixMilli(), 1)
		}
	})
	if s.state == open {
		s.conn.SetTimer(s.untilDue())
	}
}

// untilLogin is when something happens to a login next; 0 for never.
func (s *Session) untilLogin(now time.Time) time.Duration {
	if s.nextLogin == 0 {
		return 0
	}
	return max(time.UnixMilli(s.nextLogin).Sub(now), 1)
}

// expire does what the time asks of the logins.
func (s *Session) expire(now time.Time) {
	if s.nextLogin == 0 || now.UnixMilli() < s.nextLogin {
		return
	}
	if l := s.login; l != nil && !l.publish.IsZero() && !now.Before(l.publish) {
		l.publish = time.Time{}
		s.enroll()
	}
	s.logins(func(guest, l *login) {
		if l.lapse < out && !l.check.IsZero() && !now.Before(l.check) {
			s.look(l, now)
		}
		s.lapse(guest, l, now)
	})
	if s.state != closed {
		s.schedule()
	}
}

// lapse goes on to what the time has come for.
func (s *Session) lapse(guest, l *login, now time.Time) {
	for at := l.lapses(s.host.Grace); !at.IsZero() && !now.Before(at) && s.state != closed; at = l.lapses(s.host.Grace) {
		if l.lapse++; l.lapse == told {
			s.tellLapse(guest)
		} else {
			s.rejudge(guest)
		}
	}
}

// look has the list of revoked tokens asked about a login that no frame has used for a while. The
// session goes on meanwhile, and may end, which this does not notice: it takes a second at most.
func (s *Session) look(l *login, now time.Time) {
	l.check = s.nextCheck(now)
	if s.host.Auth.Fresh(l.who, now) {
		return
	}
	who := l.who
	s.host.Checks.Go(func(ctx context.Context) {
		if _, err := s.host.Auth.Recheck(ctx, who); err != nil {
			s.host.Local.Post(func() { s.revoke(func(have *auth.Identity) bool { return have == who }, err) })
		}
	})
}

// revoke ends at once the logins whose token is not taken any more; one that has expired, or whose key
// has gone, lapses in its time.
func (s *Session) revoke(is func(*auth.Identity) bool, err error) {
	fault, ok := errors.AsType[*auth.Error](err)
	if !ok || fault.Check == auth.CheckExpiry {
		return
	}
	s.logins(func(guest, l *login) {
		if l.lapse == out || !is(l.who) || l.who.KeyGone() || s.state == closed {
			return
		}
		l.lapse = out
		s.tellLapse(guest)
		s.rejudge(guest)
	})
	if s.state != closed {
		s.schedule()
	}
}

// tellLapse asks the client to log in again: for the session, or for what another member, the
// guest, has subscribed to.
func (s *Session) tellLapse(guest *login) {
	if guest == nil {
		s.refuse(origin{}, policy.Refuse(policy.CodeLogin))
		return
	}
	told := map[string]bool{}
	for _, sub := range s.subs {
		if sub.guest() == guest && sub.login && !told[sub.Destination] && s.state != closed {
			told[sub.Destination] = true
			s.refuse(origin{destination: sub.Destination}, policy.Refuse(policy.CodeLogin))
		}
	}
}

// renewed lets a login count that is new, or another than it was; its token may have expired just
// now.
func (s *Session) renewed(guest *login) {
	l := guest
	if guest == nil {
		l = s.login
	}
	now := s.host.Now()
	l.check = s.nextCheck(now)
	if s.state == open {
		s.lapse(guest, l, now)
		s.rejudgeSoon(guest, l)
	}
	if s.state != closed {
		s.schedule()
	}
}

// rejudgeSoon is rejudge behind the frames of this turn: a client may bring two tokens by turns.
func (s *Session) rejudgeSoon(guest, l *login) {
	if l.stale {
		return
	}
	l.stale = true
	s.host.Local.Post(func() {
		l.stale = false
		s.rejudge(guest)
	})
}

// nextCheck is when a token is looked up that was looked up just now; zero for never.
func (s *Session) nextCheck(now time.Time) time.Time {
	if !s.host.Auth.AsksList() {
		return time.Time{}
	}
	return now.Add(checkEvery)
}
