package session

import (
	"errors"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

// login is an identity that counts beyond its frame: that of the session, or of another member by
// whose token something was subscribed to.
type login struct {
	who   *auth.Identity
	lapse lapse
}

// lapse is how far a login has expired. Only a renewal takes it back.
type lapse uint8

const (
	current lapse = iota
	told          // the token has expired, and the client knows
	out           // the time of grace is over, or the token was revoked
)

// counts reports whether the identity decides about frames without a token: until the token has
// expired, and clocks may differ.
func (l *login) counts(now time.Time, leeway time.Duration) bool {
	return l.lapse < out && now.Before(l.who.Expires.Add(leeway))
}

// identity is whom subscriptions receive as; nil for nobody. grants reports nothing of frames.
func (l *login) identity() *auth.Identity {
	if l == nil || l.lapse == out {
		return nil
	}
	return l.who
}

// renew reports whether who, which is of the same member, takes the place of the identity: one that
// lasts longer does, so that clients that mix old and new tokens keep what the best of them gives.
func (l *login) renew(who *auth.Identity) bool {
	if l.lapse == current && !who.Expires.After(l.who.Expires) {
		return false
	}
	l.who, l.lapse = who, current
	return true
}

// due is when something happens to the login next; the zero time for never.
func (l *login) due(grace time.Duration) time.Time {
	switch {
	case l == nil || l.lapse == out:
		return time.Time{}
	case l.lapse == told:
		return l.who.Expires.Add(grace)
	}
	return l.who.Expires
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

// schedule finds out when a login lapses next.
func (s *Session) schedule() {
	s.lapses = 0
	s.logins(func(_, l *login) {
		if at := l.due(s.host.Grace); !at.IsZero() && (s.lapses == 0 || at.UnixMilli() < s.lapses) {
			s.lapses = max(at.UnixMilli(), 1)
		}
	})
	if s.state == open {
		s.conn.SetTimer(s.untilDue())
	}
}

// untilLapse is when a login lapses next; 0 for never.
func (s *Session) untilLapse(now time.Time) time.Duration {
	if s.lapses == 0 {
		return 0
	}
	return max(time.UnixMilli(s.lapses).Sub(now), 1)
}

// expire does what the time asks of the logins.
func (s *Session) expire(now time.Time) {
	if s.lapses == 0 || now.UnixMilli() < s.lapses {
		return
	}
	s.logins(func(guest, l *login) {
		for at := l.due(s.host.Grace); !at.IsZero() && !now.Before(at) && s.state != closed; at = l.due(s.host.Grace) {
			l.lapse++
			if l.lapse == told {
				s.tellLapse(guest)
			} else {
				s.rejudge(guest)
			}
		}
	})
	if s.state != closed {
		s.schedule()
	}
}

// revoke ends a login at once, if the token was taken back; one that has expired lapses in its time.
func (s *Session) revoke(l *login, err error) {
	var fault *auth.Error
	if l.lapse == out || !errors.As(err, &fault) || fault.Check == auth.CheckExpiry {
		return
	}
	guest := l
	if l == s.login {
		guest = nil
	}
	l.lapse = out
	s.tellLapse(guest)
	if s.state != closed {
		s.rejudge(guest)
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
	for _, sub := range s.subs {
		if sub.guest() == guest && s.state != closed {
			s.refuse(origin{destination: sub.Destination}, policy.Refuse(policy.CodeLogin))
		}
	}
}

// renewed lets a login count that is new, or better than it was.
func (s *Session) renewed(guest *login) {
	s.rejudge(guest)
	if s.state != closed {
		s.schedule()
	}
}
