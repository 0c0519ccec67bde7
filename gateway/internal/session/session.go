package session

import (
	"errors"
	"log/slog"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// state only moves forward.
type state uint8

const (
	connecting state = iota // before CONNECT
	open
	leaving // DISCONNECT came, and receipts are outstanding
	closed
)

// Session is one client's STOMP conversation. It lives on one loop: every method runs there, so
// nothing in it needs a lock.
type Session struct {
	host      *Host
	conn      Conn
	dec       stomp.Decoder
	id        registry.SessionID // from CONNECT on
	login     *login             // nil until somebody has logged in; the member never changes
	nextLogin int64              // when something happens to a login next, in Unix milliseconds
	connected int64              // Unix milliseconds
	subs      []*subscription    // in the order of SUBSCRIBE
	work      *work              // nil while there is none
	sendEvery time.Duration      // heart-beats to the client; 0 none
	recvEvery time.Duration      // and from it
	receipts  int                // that wait for the bus
	fed       uint32             // the loop's Listened at the last octets of STOMP
	version   stomp.Version
	state     state
	paused    bool
	late      bool // CONNECT has brought a token that has expired
}

// work is what only some sessions have.
type work struct {
	transactions map[string]*transaction
	stalled      []publication       // the bus was full
	held         int                 // bytes of messages that wait in windows
	goodbye      string              // the receipt that DISCONNECT asked for
	recalls      int32               // beginnings of subscriptions that nobody has found yet
	draining     bool                // the client has yet to take what it was sent of the past
	cancel       func()              // what workers do for the session; nil when they don't
	verdicts     map[*login]verdicts // by what a subscription depends on
	guests       []*login            // other members by whose token something was subscribed to
	buckets      buckets             // what it may yet send
	questions    []question          // to backends, the oldest first
}

// LogValue names the session in logs as the operator's commands do.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.host.Node.ShortKey(s.id)) }

// New begins the conversation of a connection that has just been made.
func New(host *Host, conn Conn) *Session {
	s := &Session{host: host, conn: conn, dec: stomp.NewDecoder(host.Limits), fed: host.Local.Listened(), nextLogin: never}
	conn.SetTimer(host.ConnectTimeout)
	return s
}

// Feed takes the next bytes of the conversation, however cut. It may change b and borrows it for
// the call alone.
func (s *Session) Feed(b []byte) {
	if s.state < leaving {
		s.fed = s.host.Local.Listened()
		s.dec.Feed(b)
		s.process()
	}
}

// process carries out the frames that have come as a whole.
func (s *Session) process() {
	p := &s.host.passage
	for s.state < leaving && !s.paused {
		err := s.dec.Next(&p.Frame)
		switch {
		case errors.Is(err, stomp.ErrIncomplete):
			return
		case err != nil:
			s.fault(err, string(s.dec.Receipt()))
			return
		}
		s.host.Stats.Frames.Add(1)
		if s.state == connecting && p.Frame.Command != "CONNECT" && p.Frame.Command != "STOMP" {
			s.fault(faultf("Connecting", "the first frame must be CONNECT or STOMP"), receiptOf(&p.Frame))
			return
		}
		s.advance(p)
		*p = passage{Inspection: Inspection{Frame: p.Frame}} // its memory serves again
	}
	if s.state < leaving {
		s.dec.Keep()
	}
}

// disconnect answers when everything that was asked for before has been ("DISCONNECT").
func (s *Session) disconnect(f *stomp.Frame) {
	s.busy().goodbye = receiptOf(f)
	s.state = leaving
	s.tryLeave()
}

func (s *Session) tryLeave() {
	if s.state != leaving || s.receipts > 0 {
		return
	}
	s.receipt(s.work.goodbye)
	s.end(CloseNormal, "")
}

// busy returns the session's work, made if need be.
func (s *Session) busy() *work {
	if s.work == nil {
		s.work = &work{}
	}
	return s.work
}

// Paused reports whether Feed must wait.
func (s *Session) Paused() bool { return s.paused }

// pause stops reading until resume.
func (s *Session) pause() {
	s.paused = true
	s.conn.Pause()
}

// resume goes on with what has come, which may pause the session again. The client is given time to be
// heard again: nobody listened meanwhile.
func (s *Session) resume() {
	s.conn.Resume()
	s.paused, s.fed = false, s.host.Local.Listened()
	s.process()
}

// Overflow tells that too much waits for the client: it gets a last word, and is closed.
func (s *Session) Overflow() {
	if s.state != closed {
		s.tooSlow("read")
	}
}

// Drain ends the session because the node stops.
func (s *Session) Drain() {
	if s.state != closed {
		s.end(CloseGoingAway, "the node is stopping, connect again")
	}
}

// end closes the connection after what is queued.
func (s *Session) end(code CloseCode, reason string) {
	s.release()
	s.conn.Close(code, reason)
}

// Closed tells that the connection is gone. It is the last call.
func (s *Session) Closed(err error) {
	if s.state != closed {
		s.host.Log.Debug("connection closed", "session", s, "err", err)
		s.release()
	}
}

// release takes the session out of everything that knows it.
func (s *Session) release() {
	for _, sub := range s.subs {
		sub.leave()
	}
	if s.state == open || s.state == leaving {
		s.host.Local.Leave(s.id)
		s.host.Registry.Remove(s.id)
		s.host.Stats.Open.Add(-1)
	}
	if s.work != nil && s.work.cancel != nil {
		s.work.cancel()
	}
	s.leaveBuckets()
	s.forgetQuestions(nil)
	s.subs, s.work, s.login, s.state = nil, nil, nil, closed
	s.dec = stomp.Decoder{}
}

// Principal implements router.Recipient.
func (s *Session) Principal() string {
	return s.host.Node.Principal(s.id, time.UnixMilli(s.connected))
}

// Receive implements router.Recipient.
func (s *Session) Receive(m *router.Message) {
	code := s.requestCode(m.Correlation)
	for _, sub := range s.subs {
		switch {
		case sub.name() != m.Destination:
		case code.Name != "":
			s.host.Local.DeliverWith(m, code, &sub.Subscription)
		default:
			s.host.Local.Deliver(m, &sub.Subscription)
		}
	}
}

// Describe implements policy.Asker.
func (s *Session) Describe() policy.Session {
	d := policy.Session{
		Node:      s.host.Node.String(),
		Transport: s.conn.Transport(),
		Remote:    s.conn.Remote().String(),
	}
	if s.state != connecting {
		d.Key, d.Principal, d.Version = s.host.Node.Key(s.id), s.Principal(), s.version.String()
	}
	return d
}
