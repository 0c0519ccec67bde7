package session

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

// A login's life. It begins with the first frame whose token is good (adopt): that frame's member is the
// session's from then on, and never changes. A frame without a token acts for it. A later token of the
// same member renews it; one of another member counts for its frame alone, but if that frame is a
// SUBSCRIBE, what it subscribes to receives by a login of its own, that of a guest.
//
// A login ends with its token, or with the key that signed it: the client is told, and may renew it. Until
// the time of grace is over its subscriptions still receive. Then it is out, and they are judged again as
// if nobody had subscribed; those that the rules refuse stay, suspended, until a renewal. A token that
// was revoked is told and out at once: frames have it looked up, and once a minute look does, for a
// client that only listens.

// checkEvery is how often the token of a login is looked up while no frame makes it so: a client that
// only listens uses its token too.
const checkEvery = time.Minute

// publishAfter is how long the registry keeps an expiry that a renewal has changed: a client may
// bring two tokens by turns, and Redis need not hear of each.
const publishAfter = time.Second

// never is a time, in Unix milliseconds, that does not come.
const never = math.MaxInt64

// login is an identity that counts beyond its frame: that of the session, or of a guest.
type login struct {
	who     *auth.Identity
	check   int64 // when its token is looked up, if no frame has it looked up before, in Unix milliseconds
	publish int64 // when the registry is told of its new expiry
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

// adopt lets an identity count beyond its frame where it may.
func (s *Session) adopt(who *auth.Identity) {
	now := s.host.Now()
	if s.login == nil {
		s.forget(nil)
		s.login = s.newLogin(who, now)
		s.takeBuckets(now)
		if s.state == open {
			s.enroll()
		}
		s.renewed(s.login, now)
		return
	}
	l := s.loginOf(who)
	if l == nil {
		return
	}
	before := l.who.Expires
	if !l.renew(who, now) {
		return
	}
	if l == s.login && !who.Expires.Equal(before) {
		l.publish = min(l.publish, now.Add(publishAfter).UnixMilli())
	}
	s.renewed(l, now)
}

func (s *Session) newLogin(who *auth.Identity, now time.Time) *login {
	return &login{who: who, check: s.nextCheck(now), publish: never}
}

// nextCheck is when a token is looked up that was looked up just now.
func (s *Session) nextCheck(now time.Time) int64 {
	if !s.host.Auth.AsksList() {
		return never
	}
	return now.Add(checkEvery).UnixMilli()
}

// loginOf returns the login of who's member, nil if there is none.
func (s *Session) loginOf(who *auth.Identity) *login {
	for l := range s.logins {
		if l.who.Same(who) {
			return l
		}
	}
	return nil
}

// logins is the session's login and those of its guests.
func (s *Session) logins(yield func(*login) bool) {
	if s.login != nil && !yield(s.login) || s.work == nil {
		return
	}
	for _, guest := range s.work.guests {
		if !yield(guest) {
			return
		}
	}
}

// guest returns the login that a subscription of who depends on; nil is the session's, whoever that is of.
func (s *Session) guest(who *auth.Identity) *login {
	if who == nil || s.login == nil {
		return nil
	}
	l := s.loginOf(who)
	switch l {
	case s.login:
		return nil
	case nil:
		l = s.newLogin(who, s.host.Now())
		work := s.busy()
		work.guests = append(slices.DeleteFunc(work.guests, s.isGone), l)
		s.schedule()
	}
	return l
}

// isGone reports whether no subscription depends on a guest any more, and forgets what is known of
// such a one.
func (s *Session) isGone(guest *login) bool {
	if slices.ContainsFunc(s.subs, func(sub *subscription) bool { return sub.by() == guest }) {
		return false
	}
	s.forget(guest)
	return true
}

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

// renewed lets a login count that is new, or another than it was; its token may have expired just
// now.
func (s *Session) renewed(l *login, now time.Time) {
	l.check = s.nextCheck(now)
	if s.state == open {
		s.lapse(l, now)
		s.rejudgeSoon(l)
	}
	s.schedule()
}

// rejudgeSoon is rejudge behind the frames of this turn: a client may bring two tokens by turns.
func (s *Session) rejudgeSoon(l *login) {
	if l.stale {
		return
	}
	l.stale = true
	s.host.Local.Post(func() {
		l.stale = false
		s.rejudge(l)
	})
}

// lapses is when the login lapses next.
func (l *login) lapses(grace time.Duration) int64 {
	switch l.lapse {
	case current:
		return l.who.Ends().UnixMilli()
	case told:
		return l.who.Ends().Add(grace).UnixMilli()
	}
	return never
}

// schedule finds out when something happens to a login next.
func (s *Session) schedule() {
	if s.state == closed {
		return
	}
	s.nextLogin = never
	for l := range s.logins {
		s.nextLogin = min(s.nextLogin, l.lapses(s.host.Grace), l.publish)
		if l.lapse < out {
			s.nextLogin = min(s.nextLogin, l.check)
		}
	}
	if s.state == open {
		s.conn.SetTimer(s.untilDue(s.conn.Wrote()))
	}
}

// untilLogin is when something happens to a login next.
func (s *Session) untilLogin(now time.Time) time.Duration {
	if s.nextLogin == never {
		return forever
	}
	return time.UnixMilli(s.nextLogin).Sub(now)
}

// expire does what the time asks of the logins.
func (s *Session) expire(now time.Time) {
	at := now.UnixMilli()
	if at < s.nextLogin {
		return
	}
	for l := range s.logins {
		if at >= l.publish {
			l.publish = never
			s.enroll()
		}
		if at >= l.check && l.lapse < out {
			s.look(l, now)
		}
		if s.lapse(l, now); s.state == closed {
			return
		}
	}
	s.schedule()
}

// lapse goes on to what the time has come for.
func (s *Session) lapse(l *login, now time.Time) {
	for s.state != closed && now.UnixMilli() >= l.lapses(s.host.Grace) {
		if l.lapse++; l.lapse == told {
			s.tellLapse(l)
		} else {
			s.rejudge(l)
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
	for l := range s.logins {
		if s.state != closed && l.lapse < out && is(l.who) && !l.who.KeyGone() {
			l.lapse = out
			s.tellLapse(l)
			s.rejudge(l)
		}
	}
	s.schedule()
}

// tellLapse asks the client to log in again: for the session, or for what a guest has subscribed to.
func (s *Session) tellLapse(l *login) {
	if l == s.login {
		s.refuse(origin{}, policy.Refuse(policy.CodeLogin))
		return
	}
	told := map[string]bool{}
	for _, sub := range s.subs {
		if name := sub.name(); sub.by() == l && sub.login && !told[name] && s.state != closed {
			told[name] = true
			s.refuse(origin{destination: name}, policy.Refuse(policy.CodeLogin))
		}
	}
}
