package session

import (
	"context"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Inspection is a frame on its way in, as code of whoever embeds the gateway sees it. It belongs to
// that code until it returns.
type Inspection struct {
	Session policy.Session
	Who     *auth.Identity // nil when nobody is logged in
	Frame   stomp.Frame    // of which Header and Body may be changed
}

// Outcome is what becomes of a frame that was inspected. Its zero value lets it pass.
type Outcome struct {
	Refusal *policy.Refusal // tell the client, and go on with the next frame
	Drop    bool            // go on with the next frame
	Close   string          // end the session with an ERROR that says so
}

// inspect shows f to the interceptor, if there is one, and carries out what that leaves of it.
func (s *Session) inspect(f *stomp.Frame, who *auth.Identity) {
	if s.state == closed { // what became of the token has ended it
		return
	}
	if s.host.Intercept == nil || !isIntercepted(f.Command) {
		s.carryOut(f, who)
		return
	}
	var tx *transaction
	if f.Command == "SEND" {
		tx, _ = s.transactionOf(f) // its fault is told when the frame is carried out
	}
	in := &Inspection{Session: s.Describe(), Who: who, Frame: f.Clone()}
	o := originOf(f)
	outcome := Outcome{Refusal: policy.Refuse(policy.CodeInternal)} // of code that ends its goroutine
	s.aside(s.host.Waiters, func(ctx context.Context) { outcome = s.host.Intercept(ctx, in) }, func() {
		if s.obey(outcome, o) {
			s.reconsider(&in.Frame, who)
		} else if outcome.Refusal != nil && tx != nil {
			tx.failed = true
		}
	})
}

// reconsider carries out a frame that has waited, on behalf of who if that one's token still is good.
func (s *Session) reconsider(f *stomp.Frame, who *auth.Identity) {
	if who == nil || s.host.Auth.Fresh(who, s.host.Now()) {
		s.carryOut(f, who)
		return
	}
	s.recheck(who, func(still *auth.Identity) { s.carryOut(f, still) })
}

func isIntercepted(command string) bool {
	switch command {
	case "CONNECT", "STOMP", "SUBSCRIBE", "SEND", "UNSUBSCRIBE", "DISCONNECT":
		return true
	}
	return false
}

// obey does what an outcome says, and reports whether the frame passes.
func (s *Session) obey(out Outcome, o origin) (passes bool) {
	switch {
	case out.Close != "":
		s.turnAway([]byte(o.receipt), out.Close)
	case out.Refusal != nil && s.state == connecting: // there is no error channel yet
		s.turnAway([]byte(o.receipt), out.Refusal.Message)
	case out.Refusal != nil:
		s.refuse(o, out.Refusal)
	default:
		return !out.Drop
	}
	return false
}

// turnAway ends the session with an ERROR that says why.
func (s *Session) turnAway(receipt []byte, why string) {
	s.sendError(errorFrame{receipt: receipt, summary: why})
	s.end(ClosePolicy, "refused")
}

// carryOut does what f asks for, on behalf of who, nil for nobody.
func (s *Session) carryOut(f *stomp.Frame, who *auth.Identity) {
	if s.state == closed {
		return
	}
	if err := s.dispatch(f, who); err != nil {
		receipt, _ := f.Header.Get("receipt")
		s.fault(err, receipt)
	}
}
