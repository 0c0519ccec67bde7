package session

import (
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Blocks is which members may not log in, and until when. The zero value is nobody. Any goroutine may
// set it; loops read it without a lock, and pay for one load while it is empty.
type Blocks struct {
	until atomic.Pointer[map[string]time.Time] // by member, never changed: replaced; nil for nobody
}

// Set replaces all there is. It keeps what has not passed at now.
func (b *Blocks) Set(until map[string]time.Time, now time.Time) {
	kept := maps.Clone(until)
	maps.DeleteFunc(kept, func(_ string, at time.Time) bool { return !at.After(now) })
	if len(kept) == 0 {
		b.until.Store(nil)
		return
	}
	b.until.Store(&kept)
}

// Left is for how long yet a member is blocked; 0 or less for not at all.
func (b *Blocks) Left(member string, now time.Time) time.Duration {
	until := b.until.Load()
	if until == nil {
		return 0
	}
	return (*until)[member].Sub(now) // of a member that is not there: long ago
}

// barred is for how long yet who is kept out of the session; 0 or less for not at all. Its own member
// is not, once it is open: what an operator wants to end he kicks.
func (s *Session) barred(who *auth.Identity) time.Duration {
	if who == nil || s.state != connecting && s.login != nil && s.login.who.Same(who) {
		return 0
	}
	return s.host.Blocks.Left(who.Member, s.host.Now())
}

// keepOut answers the frame of a member that is blocked. In a session of its own, or of nobody, that
// is the end; where it acts beside the session's member the frame is refused, and the session stays.
func (s *Session) keepOut(f *stomp.Frame, left time.Duration) {
	s.host.Stats.Blocked.Add(1)
	r := policy.Refuse(policy.CodeBlocked)
	r.RetryAfter = max(left, time.Millisecond)
	if s.state != connecting && s.login != nil {
		if f.Command == "SEND" {
			tx, _ := s.transactionOf(f) // its fault matters no more
			tx.fail()
		}
		s.refuse(originOf(f), r)
		return
	}
	s.host.Log.Debug("kept a blocked member out", "session", s, "left", left)
	s.endWith(errorFrame{
		receipt: receiptOf(f), code: r.Code, retryAfter: r.RetryAfter,
		summary: "This member may not connect for the next " + inWords(left),
		detail:  fmt.Sprintf("Code %d. Connect again after that, or ask whoever runs this gateway.", r.Code),
	}, ClosePolicy, r.Word)
}

// inWords is a time that is left, rounded up, such as "9 minutes".
func inWords(d time.Duration) string {
	unit, name := time.Second, "second"
	switch {
	case d > 48*time.Hour:
		unit, name = 24*time.Hour, "day"
	case d > 2*time.Hour:
		unit, name = time.Hour, "hour"
	case d > 2*time.Minute:
		unit, name = time.Minute, "minute"
	}
	n := max((d+unit-1)/unit, 1)
	if n > 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}
