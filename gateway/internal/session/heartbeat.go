package session

import (
	"fmt"
	"log/slog"
	"time"
)

const (
	// patience is how many periods a client may be silent: browsers run the timers of hidden tabs
	// late, and once a minute.
	patience = 3
	// headStart is how long before its period ends a heart-beat is sent, since timers are coarse
	// and a network takes time; of a very short period it is half.
	headStart = 200 * time.Millisecond
)

// Timeout does what is due and returns when it wants to be called again, 0 for never.
func (s *Session) Timeout() time.Duration {
	switch {
	case s.state == closed:
		return 0
	case s.state == connecting && s.paused: // for the token, or code of whoever embeds the gateway
		return s.host.ConnectTimeout
	case s.state == connecting:
		s.endWith(errorFrame{summary: fmt.Sprintf("no CONNECT came within %s", s.host.ConnectTimeout)}, ClosePolicy, "no CONNECT")
		return 0
	case s.silent():
		s.endWith(errorFrame{summary: fmt.Sprintf("no heart-beat came within %s, which is %d times the agreed period",
			patience*s.recvEvery, patience)}, ClosePolicy, "no heart-beat")
		return 0
	case s.isHung():
		s.giveUp()
		return 0
	}
	if s.expire(s.host.Now()); s.state == closed {
		return 0
	}
	if s.sendEvery > 0 && s.conn.Wrote() >= s.beatEvery() {
		s.conn.Queue(s.host.beat(s.conn.Framing()))
		return sooner(s.untilNext(s.beatEvery()), s.untilLogin(s.host.Now()))
	}
	return s.untilDue()
}

// untilDue is when something is due: a heart-beat, one of the client that is overdue, or what
// happens to a login; 0 for never.
func (s *Session) untilDue() time.Duration { return sooner(s.untilBeat(), s.untilLogin(s.host.Now())) }

// silence is how long the client could be heard and was not: a paused session is not read.
func (s *Session) silence() time.Duration {
	if s.paused {
		return 0
	}
	return s.conn.Heard()
}

// silent reports whether the client has been for too long.
func (s *Session) silent() bool { return s.recvEvery > 0 && s.silence() > patience*s.recvEvery }

// isHung reports whether the client, which has promised heart-beats, has sent nothing of STOMP for
// too long. A page that hangs answers pings for ever: the browser does.
func (s *Session) isHung() bool { return s.hungAfter() > 0 && s.unspoken() > s.hungAfter() }

// hungAfter is when that is too long, 0 for never.
func (s *Session) hungAfter() time.Duration {
	if s.recvEvery == 0 || s.host.Hung == 0 {
		return 0
	}
	return max(s.host.Hung, patience*s.recvEvery)
}

// unspoken is for how long octets of STOMP could have come, and have not.
func (s *Session) unspoken() time.Duration {
	if s.paused {
		return 0
	}
	return s.host.Local.Silence(s.fed)
}

// giveUp ends a session whose connection lives, while what should use it does not.
func (s *Session) giveUp() {
	s.host.Stats.Hung.Add(1)
	s.host.Lines.hung.Log(s.host.Log, slog.LevelInfo, "closed a session whose client hangs: its connection lives, but no heart-beat comes",
		"session", s, "for", s.hungAfter())
	s.endWith(errorFrame{
		summary: fmt.Sprintf("no heart-beat came within %s, but signs that the connection lives", s.hungAfter()),
		detail:  fmt.Sprintf("The client has promised to send a frame or a heart-beat each %s, and hangs.", s.recvEvery),
	}, ClosePolicy, "no heart-beat")
}

// beatEvery is how long the server is silent at most.
func (s *Session) beatEvery() time.Duration { return s.sendEvery - min(headStart, s.sendEvery/2) }

// untilBeat is when a heart-beat is due, or one of the client overdue.
func (s *Session) untilBeat() time.Duration {
	if s.sendEvery == 0 {
		return s.untilNext(0)
	}
	return s.untilNext(max(s.beatEvery()-s.conn.Wrote(), 1))
}

// untilNext is the sooner of beat (0 for never) and the end of the client's patience.
func (s *Session) untilNext(beat time.Duration) time.Duration {
	if s.recvEvery == 0 {
		return beat
	}
	next := sooner(beat, max(patience*s.recvEvery-s.silence(), 1))
	if after := s.hungAfter(); after > 0 {
		next = min(next, max(after-s.unspoken(), 1))
	}
	return next
}

// sooner returns the shorter of two times, of which 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
