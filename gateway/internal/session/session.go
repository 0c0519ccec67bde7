package session

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/auth"
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
	nextLogin int64              // when something happens to a login next, in Unix milliseconds; 0 for never
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
	stalled      []*publication      // the bus was full
	held         int                 // bytes of messages that wait in windows
	goodbye      string              // the receipt that DISCONNECT asked for
	cancel       func()              // what workers do for the session; nil when they don't
	verdicts     map[*login]verdicts // by guest, nil for the session's login
	guests       []*login            // other members by whose token something was subscribed to
}

// LogValue names the session in logs as the operator's commands do.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.host.Node.ShortKey(s.id)) }

// New begins the conversation of a connection that has just been made.
func New(host *Host, conn Conn) *Session {
	s := &Session{host: host, conn: conn, dec: stomp.NewDecoder(host.Limits), fed: host.Local.Listened()}
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
	f := &s.host.frame
	for s.state < leaving && !s.paused {
		err := s.dec.Next(f)
		if errors.Is(err, stomp.ErrIncomplete) {
			return
		}
		if err != nil {
			s.fault(err, s.dec.Receipt())
			return
		}
		s.host.Stats.Frames.Add(1)
		s.take(f)
	}
	if s.state < leaving {
		s.dec.Keep()
	}
}

// take begins with a frame: it finds out who asks (admit), shows it to the interceptor (inspect),
// and does what it asks for (carryOut), each of which may make the session wait for the next.
func (s *Session) take(f *stomp.Frame) {
	if s.state == connecting && f.Command != "CONNECT" && f.Command != "STOMP" {
		receipt, _ := f.Header.Get("receipt")
		s.fault(faultf("Connecting", "the first frame must be CONNECT or STOMP"), receipt)
		return
	}
	s.admit(f)
}

// dispatch does what one frame asks for, on behalf of who, nil for nobody. An error is a fault of
// the protocol.
func (s *Session) dispatch(f *stomp.Frame, who *auth.Identity) error {
	if s.state == connecting {
		return s.connect(f, who)
	}
	switch f.Command {
	case "SEND":
		return s.send(f, who)
	case "SUBSCRIBE":
		return s.subscribe(f, who)
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

// faultf describes a fault of the client.
func faultf(section, format string, args ...any) error {
	return &stomp.ProtocolError{Section: section, Summary: fmt.Sprintf(format, args...), Offset: -1}
}

// quoted shows the name or the id that a client has made up: a part of it, on one line, and no token.
func quoted[T string | []byte](value T) string {
	return fmt.Sprintf("%.80q", policy.Discreet(string(value)))
}

// required returns the value of a header that the frame must have.
func required(f *stomp.Frame, name, section string) ([]byte, error) {
	value, ok := f.Header.Get(name)
	if !ok || len(value) == 0 {
		article := "a"
		if name == "id" {
			article = "an"
		}
		return nil, faultf(section, "%s needs %s %s header", f.Command, article, name)
	}
	return value, nil
}

// disconnect answers when everything that was asked for before has been ("DISCONNECT").
func (s *Session) disconnect(f *stomp.Frame) {
	receipt, _ := f.Header.Get("receipt")
	s.busy().goodbye = string(receipt)
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

// fault answers a fault of the protocol with one ERROR, and ends the connection ("ERROR").
func (s *Session) fault(err error, receipt []byte) {
	s.host.Stats.Faults.Add(1)
	s.host.Log.Debug("protocol fault", "session", s, "err", err)
	e := errorFrame{receipt: receipt, summary: err.Error()}
	var fault *stomp.ProtocolError
	switch {
	case errors.As(err, &fault):
		e.summary, e.detail = fault.Summary, "STOMP specification: "+fault.Section
	case errors.Is(err, stomp.ErrNoCommonVersion):
		e.summary, e.detail = "no common protocol version", "Supported protocol versions are 1.0 1.1 1.2"
		e.version = stomp.Versions
	}
	s.sendError(e)
	s.end(CloseProtocol, "")
}

// Reject ends the conversation of a client that does not speak STOMP, with an ERROR that says why.
func (s *Session) Reject(why string) { s.fault(faultf("STOMP Frames", "%s", why), nil) }

type errorFrame struct {
	receipt         []byte        // of the frame at fault; empty when it asked for none
	version         string        // header of that name, when no version is common
	code            policy.Code   // for programs; 0 for none
	retryAfter      time.Duration // when to connect again, 0 when that can't be told
	summary, detail string
}

func (s *Session) sendError(e errorFrame) {
	out := stomp.AppendCommand(s.host.out[:0], "ERROR")
	out = stomp.AppendEntry(out, s.version, "message", e.summary)
	if len(e.receipt) > 0 {
		out = stomp.AppendEntry(out, s.version, "receipt-id", e.receipt)
	}
	if e.version != "" {
		out = stomp.AppendEntry(out, s.version, "version", e.version)
	}
	if e.code != 0 {
		out = stomp.AppendEntry(out, s.version, "error-code", strconv.Itoa(int(e.code)))
	}
	if e.retryAfter > 0 {
		out = stomp.AppendEntry(out, s.version, "retry-after-ms", strconv.FormatInt(e.retryAfter.Milliseconds(), 10))
	}
	out = stomp.AppendEntry(out, s.version, "content-type", "text/plain")
	s.queue(stomp.AppendBody(out, []byte(e.detail)))
}

// receipt sends a RECEIPT, unless none was asked for.
func (s *Session) receipt(id string) {
	if id == "" {
		return
	}
	out := stomp.AppendCommand(s.host.out[:0], "RECEIPT")
	out = stomp.AppendEntry(out, s.version, "receipt-id", id)
	s.queue(stomp.AppendEnd(out))
}

// receiptFor sends the RECEIPT that f asks for, if it does.
func (s *Session) receiptFor(f *stomp.Frame) {
	if id, ok := f.Header.Get("receipt"); ok {
		s.receipt(string(id))
	}
}

// queue packs and sends a frame that is this session's alone. It was written into host.out.
func (s *Session) queue(frame []byte) {
	s.host.out = frame
	framing := s.conn.Framing()
	packed := make([]byte, 0, len(frame)+framing.Overhead())
	if packed = framing.Append(packed, utf8.Valid(frame), frame, nil); len(packed) > 0 {
		s.conn.Queue(packed)
	}
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

// tooSlow ends the session of a client that does not read, or acknowledge, as fast as messages come.
func (s *Session) tooSlow(verb string) {
	s.host.Stats.SlowClosed.Add(1)
	s.host.Lines.slow.Log(s.host.Log, slog.LevelInfo, "closed a session that "+verb+"s too slowly", "session", s, "waiting", s.host.Outbound)
	s.sendError(errorFrame{
		summary: fmt.Sprintf("the client %ss too slowly: more than %d bytes wait for it", verb, s.host.Outbound),
		detail:  fmt.Sprintf("Messages have been dropped. Connect again; subscribe to less, or %s faster.", verb),
	})
	s.end(ClosePolicy, "too slow")
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
	s.subs, s.work, s.login, s.state = nil, nil, nil, closed
	s.dec = stomp.Decoder{}
}

// Principal implements router.Recipient.
func (s *Session) Principal() string {
	return s.host.Node.Principal(s.id, time.UnixMilli(s.connected))
}

// Receive implements router.Recipient.
func (s *Session) Receive(m *router.Message) {
	for _, sub := range s.subs {
		if sub.Destination == m.Destination {
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

// origin is what an answer needs of a frame that is gone by then.
type origin struct {
	command     string // empty when no frame has asked
	destination string
	receipt     string  // empty when none is asked for
	requestCode *string // nil when there is none
}

func originOf(f *stomp.Frame) (o origin) {
	destination, _ := f.Header.Get("destination")
	receipt, _ := f.Header.Get("receipt")
	o.command, o.destination, o.receipt = f.Command, string(destination), string(receipt)
	if code, ok := f.Header.Get("client-request-code"); ok {
		o.requestCode = new(string(code))
	}
	return o
}

// refuse answers a frame that is not carried out.
func (s *Session) refuse(o origin, r *policy.Refusal) {
	s.host.Stats.refused(r.Code)
	destination := s.host.Rules.ErrorDestination()
	if sub := s.subscribedTo(destination); sub != nil {
		s.logRefusal(o, r)
		s.tellRefusal(sub, o, r)
		return
	}
	s.host.Stats.Unheard.Add(1)
	if s.host.Fallback != policy.FallbackError {
		s.logUnheard(o, r)
	} else {
		s.logRefusal(o, r)
		s.sendError(errorFrame{receipt: []byte(o.receipt), summary: r.Message,
			detail: fmt.Sprintf("Code %d. Subscribe to %s to be told of refusals without losing the connection.", r.Code, destination)})
		s.end(ClosePolicy, "refused")
	}
}
