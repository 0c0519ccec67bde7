package session

import (
	"context"
	"fmt"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// passage is one frame on its way through the session. The loop has one, which its frames use in turn;
// one that has to wait is copied.
type passage struct {
	Inspection
	Reaction
	next    step
	checked bool           // its token was looked at, and admit has not heard yet
	asked   *auth.Identity // whose token that was; nil for that of the frame
	err     error          // why it is not taken
	origin  origin         // from intercept or judge on
	tx      *transaction   // of a SEND; nil for none
	made    []publication  // of a SEND by the rules
	to      bus.Target     // the backend that it goes to by the rules; zero for none
}

// step is what happens to a frame next. A frame goes through all of them, in this order.
type step uint8

const (
	identify  step = iota // who sends it, by its token or the session's login; waits for a token that memory does not know
	admit                 // who is blocked stays out, and who is new is logged in
	count                 // a SEND is held against what the session, and the node, may send
	intercept             // the embedder's interceptor sees it; waits for that
	obey                  // what the interceptor wants; waits for the token to be looked at again
	readmit               // what became of it
	judge                 // what a SEND becomes, by the rules or the embedder's handler; waits for that
	act                   // the frame is carried out
	done
)

// advance takes a frame through what is left of its way, until it has to wait.
func (s *Session) advance(p *passage) {
	for p.next < done && s.state != closed && !s.isAway() {
		now := p.next
		p.next++
		var fault error
		switch now {
		case identify:
			s.identify(p)
		case admit, readmit:
			if p.checked {
				s.admit(p)
			}
		case count:
			s.count(p)
		case intercept:
			if s.host.Intercept == nil {
				p.next = judge
			} else {
				s.intercept(p)
			}
		case obey:
			s.obey(p)
		case judge:
			fault = s.judge(p)
		case act:
			fault = s.act(p)
		}
		if fault != nil {
			s.fault(fault, receiptOf(&p.Frame))
		}
	}
}

// park has fn done by w while the session waits. Then p, which fn has filled in, goes on with its next
// step, even where fn ends its goroutine; not if the session has ended.
func (s *Session) park(p *passage, w *Workers, fn func(context.Context, *passage)) {
	if p == &s.host.passage {
		kept := *p
		kept.Frame = p.Frame.Clone()
		p = &kept
	}
	s.pause()
	s.busy().cancel = w.Go(func(ctx context.Context) {
		defer s.host.Local.Post(func() { s.unpark(p) })
		fn(ctx, p)
	})
}

// isAway reports whether a frame is parked.
func (s *Session) isAway() bool { return s.work != nil && s.work.cancel != nil }

// unpark is the way back from park.
func (s *Session) unpark(p *passage) {
	if s.state == closed {
		return
	}
	s.work.cancel = nil
	s.advance(p)
	s.goOn()
}

// goOn reads on, unless the session has ended or something still makes it wait.
func (s *Session) goOn() {
	if s.state != closed && s.paused && !s.isAway() && len(s.work.stalled) == 0 && !s.recallsEnough() {
		s.resume()
	}
}

// Inspection is a frame on its way in, as the embedder's code sees it. It belongs to that code until it
// returns.
type Inspection struct {
	Session policy.Session
	Who     *auth.Identity // nil when nobody is logged in
	Frame   stomp.Frame    // of which Header and Body may be changed, if it passes
}

// Outcome is what becomes of a frame. Its zero value lets it pass; others are errors of the embedder's
// code, which returns them.
type Outcome struct {
	Refusal *policy.Refusal // tell the client, and go on with the next frame
	Drop    bool            // go on with the next frame
	Close   string          // end the session with an ERROR that says so
}

// Error is for logs of the embedder's own: a session tells the client what it says.
func (o *Outcome) Error() string {
	switch {
	case o.Close != "":
		return "gateway: close the connection: " + o.Close
	case o.Refusal != nil:
		return fmt.Sprintf("gateway: refuse with code %d: %s", o.Refusal.Code, o.Refusal.Message)
	}
	return "gateway: drop this frame"
}

// Handler is the embedder's code that takes a SEND in the place of a route.
type Handler func(ctx context.Context, in *Inspection) Reaction

// Reaction is what a SEND becomes, in this order.
type Reaction struct {
	Replies []bus.Envelope // to the sender's session, without the bus; Destination is as the session subscribes
	Publish []bus.Envelope // to all who subscribe
	Outcome Outcome        // of the SEND itself; one that does not pass undoes the others
}

// intercept shows a frame to the interceptor, if that wants to see its kind.
func (s *Session) intercept(p *passage) {
	if !isIntercepted(p.Frame.Command) {
		p.next = judge
		return
	}
	p.origin = originOf(&p.Frame)
	if p.Frame.Command == "SEND" {
		p.tx, _ = s.transactionOf(&p.Frame) // its fault is told when it is judged
	}
	s.show(p, func(ctx context.Context, p *passage) { p.Outcome = s.host.Intercept(ctx, &p.Inspection) })
}

// show parks a frame for the embedder's code.
func (s *Session) show(p *passage, fn func(context.Context, *passage)) {
	p.Session = s.Describe()
	p.Outcome = Outcome{Refusal: policy.Refuse(policy.CodeInternal)} // of code that ends its goroutine
	s.park(p, s.host.Waiters, fn)
}

func isIntercepted(command string) bool {
	return asksWho(command) || command == "UNSUBSCRIBE" || command == "DISCONNECT"
}

// obey does what the interceptor wants. A frame that passes has waited: meanwhile its token may have ended,
// and its member been blocked.
func (s *Session) obey(p *passage) {
	if !s.passes(p) {
		p.next = done
		return
	}
	if p.Who != nil {
		p.checked = true
		s.vouch(p, s.host.Now())
	}
}

// passes reports whether a frame passes, and does what its outcome says if not.
func (s *Session) passes(p *passage) bool {
	switch out := p.Outcome; {
	case out.Close != "":
		s.turnAway(p.origin.receipt, out.Close)
	case out.Refusal != nil && s.state == connecting: // there is no error channel yet
		s.turnAway(p.origin.receipt, out.Refusal.Message)
	case out.Refusal != nil:
		p.tx.fail()
		s.refuse(p.origin, out.Refusal)
	default:
		return !out.Drop
	}
	return false
}

// act does what a frame asks for. An error is a fault of the protocol.
func (s *Session) act(p *passage) error {
	f := &p.Frame
	if s.state == connecting {
		return s.connect(f, p.Who)
	}
	switch f.Command {
	case "SEND":
		s.send(p)
		return nil
	case "SUBSCRIBE":
		return s.subscribe(f, p.Who)
	case "UNSUBSCRIBE":
		return s.unsubscribe(f)
	case "ACK":
		return s.ack(f, false)
	case "NACK":
		if s.version > stomp.V10 {
			return s.ack(f, true)
		}
	case "BEGIN":
		return s.begin(f)
	case "COMMIT":
		return s.commit(f)
	case "ABORT":
		return s.abort(f)
	case "DISCONNECT":
		s.disconnect(f)
		return nil
	case "CONNECT", "STOMP":
		return faultf("Connecting", "the session is connected already: %s must be the first frame and the only one of its kind", f.Command)
	case "CONNECTED", "MESSAGE", "RECEIPT", "ERROR":
		return faultf("Server Frames", "%s is a frame that only servers send", f.Command)
	}
	return faultf("Client Frames", "unknown command: STOMP %s clients send SEND, SUBSCRIBE, UNSUBSCRIBE, BEGIN, COMMIT, ABORT, ACK%s and DISCONNECT",
		s.version, map[bool]string{true: ", NACK"}[s.version > stomp.V10])
}
