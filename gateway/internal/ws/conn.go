package ws

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
)

// Conn is the server's end of one WebSocket connection. It is the loop.Handler of its socket and
// the session.Conn of its session, and lives on their loop.
type Conn struct {
	sock    *loop.Conn
	session *session.Session // nil once the STOMP conversation is over
	periods *Periods
	pinged  time.Duration // loop time of the last ping
	due     time.Duration // loop time of the session's next Timeout, 0 for none
	in      reader
	closing bool // we have sent a Close frame
	over    bool // nothing that comes now matters
}

// New starts a STOMP session of host over sock, whose upgrade has been answered.
func New(sock *loop.Conn, host *session.Host, periods *Periods) *Conn {
	c := &Conn{sock: sock, periods: periods, pinged: sock.Loop().Now()}
	c.session = session.New(host, c)
	return c
}

// Feed implements loop.Handler.
func (c *Conn) Feed(b []byte) (taken int) {
	for taken < len(b) && !c.over && !c.paused() {
		p, n, err := c.in.next(b[taken:])
		if n == 0 && err == nil {
			break
		}
		taken += n
		if c.receive(p); err != nil {
			c.fail(err)
		}
	}
	if c.over {
		return len(b)
	}
	return taken
}

func (c *Conn) paused() bool { return c.session != nil && c.session.Paused() }

// receive carries out one piece of what the client sends.
func (c *Conn) receive(p piece) {
	switch p.op {
	case ws.OpPing:
		if !c.closing {
			c.queue(ws.OpPong, p.payload)
		}
	case ws.OpPong: // it has been heard: that is all it is for
	case ws.OpClose:
		c.closed(p.payload)
	default:
		if c.session != nil && len(p.payload) > 0 {
			c.session.Feed(p.payload)
		}
	}
}

// closed answers the client's Close frame with the same code, and ends the connection (section 5.5.1).
func (c *Conn) closed(payload []byte) {
	if err := checkClose(payload); err != nil {
		c.fail(err)
		return
	}
	c.end(nil, payload[:min(len(payload), 2)])
}

// Faults of a Close frame. errReason closes with 1007, the others with 1002.
const (
	errCloseSize = ws.ProtocolError("a Close frame's payload is empty or begins with a code of two bytes")
	errCloseCode = ws.ProtocolError("the code of a Close frame is not one that may be sent")
	errReason    = ws.ProtocolError("the reason of a Close frame is not valid UTF-8")
)

// checkClose checks a Close frame's payload (sections 5.5.1 and 7.4). Of the codes from 1000 to 2999
// those are allowed that are registered with IANA for use on the wire.
func checkClose(payload []byte) error {
	switch len(payload) {
	case 0:
		return nil
	case 1:
		return errCloseSize
	}
	switch code := binary.BigEndian.Uint16(payload); {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
	default:
		return errCloseCode
	}
	if !utf8.Valid(payload[2:]) {
		return errReason
	}
	return nil
}

// fail is "_Fail the WebSocket Connection_" (section 7.1.7).
func (c *Conn) fail(err error) {
	code := ws.StatusProtocolError
	if err == errUTF8 || err == errReason {
		code = ws.StatusInvalidFramePayloadData
	}
	c.end(err, ws.NewCloseFrameBody(code, err.Error()))
}

// end closes the connection after a Close frame of ours, unless that has been sent before.
func (c *Conn) end(err error, body []byte) {
	if c.over {
		return
	}
	c.over = true
	c.endSession(err)
	if !c.closing {
		c.queue(ws.OpClose, body)
	}
	c.sock.Finish(c.periods.Linger)
}

// queue sends a control frame.
func (c *Conn) queue(op ws.OpCode, payload []byte) {
	c.sock.Queue(append(appendHeader(make([]byte, 0, 2+len(payload)), op, len(payload)), payload...))
}

func (c *Conn) endSession(err error) {
	if s := c.session; s != nil {
		c.session = nil
		s.Closed(err)
	}
}

// Timeout implements loop.Handler: it is time for a ping, or for something of the session.
func (c *Conn) Timeout() {
	now := c.sock.Loop().Now()
	switch {
	case c.closing: // no Close frame came
		c.sock.Finish(c.periods.Linger)
		return
	case now >= c.pinged+c.periods.Ping && !c.ping(now):
		return
	}
	if c.due > 0 && now >= c.due {
		next := c.session.Timeout()
		if c.session == nil {
			return
		}
		c.setDue(next)
	}
	c.arm()
}

// ping sends a ping. It reports false for a client that has not been heard for so long that it is
// given up; that of a paused session can't be.
func (c *Conn) ping(now time.Duration) bool {
	if !c.paused() && c.sock.Heard() > c.periods.Dead {
		c.endSession(errDead)
		c.sock.Abort()
		return false
	}
	c.pinged = now
	c.queue(ws.OpPing, nil)
	return true
}

const errDead = ws.ProtocolError("the client answered no ping")

// Resume implements session.Conn. The client is given time to be heard again.
func (c *Conn) Resume() {
	c.pinged = c.sock.Loop().Now()
	c.sock.Resume()
}

// SetTimer implements session.Conn.
func (c *Conn) SetTimer(d time.Duration) {
	c.setDue(d)
	c.arm()
}

func (c *Conn) setDue(d time.Duration) {
	c.due = 0
	if d > 0 {
		c.due = c.sock.Loop().Now() + d
	}
}

// arm sets the socket's timer to the next ping, or what the session wants before.
func (c *Conn) arm() {
	next := c.pinged + c.periods.Ping
	if c.due > 0 {
		next = min(next, c.due)
	}
	c.sock.SetTimer(max(next-c.sock.Loop().Now(), 1))
}

// Overflow implements loop.Handler. The Close frame is the last word; there is no time for a handshake.
func (c *Conn) Overflow() {
	if c.session != nil {
		c.session.Overflow()
	}
	c.over = true
	c.sock.Finish(c.periods.Linger)
}

// Drain ends the session because the node stops. It reports false if it has ended already.
func (c *Conn) Drain() bool {
	if c.session == nil {
		return false
	}
	c.session.Drain()
	return true
}

// Closed implements loop.Handler.
func (c *Conn) Closed(err error) { c.endSession(err) }

// Close begins the closing handshake (section 7.1.2); the session is over.
func (c *Conn) Close(code session.CloseCode, reason string) {
	if c.closing || c.over {
		return
	}
	c.session, c.closing = nil, true
	c.queue(ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), reason))
	c.sock.Resume() // to read the client's Close frame
	c.sock.SetTimer(c.periods.Close)
}

// The rest implements session.Conn.

func (c *Conn) Transport() string        { return "websocket" }
func (c *Conn) Framing() session.Framing { return Framing{} }
func (c *Conn) Remote() netip.AddrPort   { return c.sock.Remote() }
func (c *Conn) Queue(framed []byte)      { c.sock.Queue(framed) }
func (c *Conn) Heard() time.Duration     { return c.sock.Heard() }
func (c *Conn) Wrote() time.Duration     { return c.sock.Wrote() }
func (c *Conn) Pause()                   { c.sock.Pause() }
