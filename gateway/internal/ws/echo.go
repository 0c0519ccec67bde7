package ws

import (
	"time"

	"github.com/gobwas/ws"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
)

// echoAhead is how many bytes may wait for the client of an echo before it is read no further.
const echoAhead = 256 << 10

// NewEcho starts a service for protocol test suites over sock, whose upgrade has been answered: text
// and binary messages go back as they are, piece by piece as they come, so none is too long.
func NewEcho(sock *loop.Conn, periods *Periods) *Conn {
	e := &echo{sock: sock}
	return New(sock, func(c session.Conn) session.Peer { e.conn = c; return e }, e, periods)
}

// echo is both the Content of the messages and the peer that answers them.
type echo struct {
	sock   *loop.Conn
	conn   session.Conn
	within bool // an answer has begun and goes on
	paused bool
}

// Take sends a fragment of the answer (RFC 6455 section 5.4).
func (e *echo) Take(text bool, payload []byte, last bool, _ func([]byte)) error {
	op := ws.OpBinary
	switch {
	case e.within:
		op = ws.OpContinuation
	case text:
		op = ws.OpText
	}
	b := appendHeader(make([]byte, 0, 10+len(payload)), op, len(payload))
	if e.within = !last; !last {
		b[0] &^= 0x80
	}
	e.sock.Queue(append(b, payload...))
	if e.sock.Queued() > echoAhead && !e.paused {
		e.paused = true
		e.conn.Pause()
		e.sock.AwaitDrainUnjudged()
	}
	return nil
}

// Drained goes on reading.
func (e *echo) Drained() {
	if e.paused {
		e.paused = false
		e.conn.Resume()
	}
}

func (e *echo) Paused() bool             { return e.paused }
func (e *echo) Drain()                   { e.conn.Close(session.CloseGoingAway, "the node is stopping") }
func (e *echo) Overflow()                { e.conn.Close(session.ClosePolicy, "too slow") }
func (e *echo) Transport() string        { return "websocket" }
func (e *echo) Framing() session.Framing { return Framing{} }

func (e *echo) Feed([]byte)                              {}
func (e *echo) Timeout() time.Duration                   { return 0 }
func (e *echo) Closed(error)                             {}
func (e *echo) Open() []byte                             { return nil }
func (e *echo) Beat() []byte                             { return nil }
func (e *echo) Goodbye(session.CloseCode, string) []byte { return nil }
