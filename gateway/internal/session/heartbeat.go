package session

import (
	"fmt"
	"log/slog"
	"math"
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

// forever is a time that does not pass.
const forever = time.Duration(math.MaxInt64)

// Timeout does what is due and returns when it wants to be called again, 0 for never.
func (s *Session) Timeout() time.Duration {
	switch {
	case s.state == closed:
		return 0
	case s.state == connecting && s.paused: // for the token, or the embedder's code
		return s.host.ConnectTimeout
	case s.state == connecting:
		s.endWith(errorFrame{summary: fmt.Sprintf("no CONNECT came within %s", s.host.ConnectTimeout)}, ClosePolicy, "no CONNECT")
		return 0
	case s.untilSilent() < 0:
		s.endWith(errorFrame{summary: fmt.Sprintf("no heart-beat came within %s, which is %d times the agreed period",
			patience*s.recvEvery, patience)}, ClosePolicy, "no heart-beat")
		return 0
	case s.untilHung() < 0:
		s.giveUp()
		return 0
	}
	if s.expire(s.host.Now()); s.state == closed {
		return 0
	}
	s.dropBuckets()
	wrote := s.conn.Wrote()
	if s.sendEvery > 0 && wrote >= s.beatEvery() {
		s.conn.Queue(s.host.beat(s.conn.Framing()))
		wrote = 0
	}
	return s.untilDue(wrote)
}

// untilDue is when Timeout has something to do, for a session that wrote that long ago; 0 for never.
func (s *Session) untilDue(wrote time.Duration) time.Duration {
	due := min(s.untilSilent(), s.untilHung(), s.untilLogin(s.host.Now()))
	if s.sendEvery > 0 {
		due = min(due, s.beatEvery()-wrote)
	}
	if due == forever {
		return 0
	}
	return max(due, 1)
}

// beatEvery is how long the server is silent at most.
func (s *Session) beatEvery() time.Duration { return s.sendEvery - min(headStart, s.sendEvery/2) }

// untilSilent is for how long yet the client may be silent. A paused session is not read.
func (s *Session) untilSilent() time.Duration {
	if s.recvEvery == 0 {
		return forever
	}
	left := patience * s.recvEvery
	if !s.paused {
		left -= s.conn.Heard()
	}
	return left
}

// untilHung is for how long yet a client that has promised heart-beats may send nothing of STOMP. A page
// that hangs answers pings for ever: the browser does.
func (s *Session) untilHung() time.Duration {
	left := s.hungAfter()
	if !s.paused && left < forever {
		left -= s.host.Local.Silence(s.fed)
	}
	return left
}

func (s *Session) hungAfter() time.Duration {
	if s.recvEvery == 0 || s.host.Hung == 0 {
		return forever
	}
	return max(s.host.Hung, patience*s.recvEvery)
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
