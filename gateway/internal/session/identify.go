package session

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// identify finds out who a frame acts for: the member of its token, or that of the session's login.
// Where memory can't tell, it asks off the loop. Most frames are nobody's, or need not be admitted.
func (s *Session) identify(p *passage) {
	if !asksWho(p.Frame.Command) {
		return
	}
	token, named, wellFormed := tokenOf(&p.Frame)
	switch now := s.host.Now(); {
	case s.host.Auth == nil:
		if named && s.state == connecting {
			s.logToken(errNoIssuer)
		}
	case named && !wellFormed:
		s.logToken(errNoBearer)
	case s.actsAsSession(token, named, now):
		p.Who = s.login.who
		s.vouch(p, now)
	case named:
		s.lookUp(p, token, now)
	}
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

// lookUp finds out whose token it is that a frame brings.
func (s *Session) lookUp(p *passage, token []byte, now time.Time) {
	var known bool
	p.checked, p.asked = true, nil
	if p.Who, p.err, known = s.host.Auth.Known(token, now); known {
		return
	}
	text := string(token)
	p.err = context.Canceled
	s.park(p, s.host.Checks, func(ctx context.Context, p *passage) { p.Who, p.err = s.host.Auth.Verify(ctx, text) })
}

// vouch has the token of whom a frame acts for looked at again, where that is due.
func (s *Session) vouch(p *passage, now time.Time) {
	if s.host.Auth.Fresh(p.Who, now) {
		return
	}
	p.checked, p.asked, p.err = true, p.Who, context.Canceled
	s.park(p, s.host.Checks, func(ctx context.Context, p *passage) { p.Who, p.err = s.host.Auth.Recheck(ctx, p.asked) })
}

// admit lets in whom a token names, or makes the sender anonymous if the token is not taken.
func (s *Session) admit(p *passage) {
	p.checked = false
	if p.err != nil {
		p.Who = nil
		s.logToken(p.err)
		fault, ok := errors.AsType[*auth.Error](p.err)
		s.late = s.state == connecting && ok && fault.Expired()
		s.revoke(p.isAsked, p.err)
		return
	}
	if left := s.barred(p.Who); left > 0 {
		s.keepOut(&p.Frame, left)
		p.next = done
		return
	}
	s.adopt(p.Who)
}

// isAsked reports whether an identity is by the token that was looked at.
func (p *passage) isAsked(who *auth.Identity) bool {
	if p.asked != nil {
		return who == p.asked
	}
	token, _, _ := tokenOf(&p.Frame)
	return who.Is(token)
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
