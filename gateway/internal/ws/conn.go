package ws

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
)

// Conn is the server's end of one WebSocket connection. It is the loop.Handler of its socket and
// the session.Conn of its session, and lives on their loop.
type Conn struct {
	*loop.Conn
	peer    session.Peer // nil once the conversation is over
	content Content      // nil for bare STOMP
	periods *Periods
	pinged  time.Duration // loop time of the last ping
	due     time.Duration // loop time of the session's next Timeout, 0 for none
	in      reader
	closing bool   // we have sent a Close frame
	over    bool   // nothing that comes now matters
	spoke   uint32 // loop ticks of the session's last frame
}

// Content is what the messages of one connection hold, when that is not bare STOMP. It lives on the
// connection's loop.
type Content interface {
	Transport() string
	Framing() session.Framing
	// Take takes some of a text or binary message, last the end of it, and hands feed what of it is
	// the peer's. The payload may be changed, and is borrowed for the call alone. An error, which
	// the client is told, fails the connection.
	Take(text bool, payload []byte, last bool, feed func([]byte)) error
	// Open is sent first, Beat with every ping, and Goodbye before a Close frame: whole text
	// messages, and nothing when they are empty.
	Open() []byte
	Beat() []byte
	Goodbye(code session.CloseCode, reason string) []byte
}

// New starts the conversation that open makes over sock, whose upgrade has been answered. content is
// nil for bare STOMP.
func New(sock *loop.Conn, open func(session.Conn) session.Peer, content Content, periods *Periods) *Conn {
	l := sock.Loop()
	c := &Conn{Conn: sock, content: content, periods: periods, pinged: l.Now(), spoke: l.Ticks()}
	if content != nil {
		c.say(content.Open())
	}
	if peer := open(c); !c.closing {
		c.peer = peer
		c.arm()
	}
	return c
}

// say sends a text message of the content's own.
func (c *Conn) say(message []byte) {
	if len(message) > 0 {
		c.queue(ws.OpText, message)
	}
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

func (c *Conn) paused() bool { return c.peer != nil && c.peer.Paused() }

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
		c.data(p)
	}
}

// data hands on some of a message.
func (c *Conn) data(p piece) {
	switch {
	case c.peer == nil || len(p.payload) == 0 && !p.last:
	case c.content != nil:
		if err := c.content.Take(p.op == ws.OpText, p.payload, p.last, c.feed); err != nil {
			c.fail(err)
		}
	case len(p.payload) > 0:
		c.peer.Feed(p.payload)
	}
}

// feed hands on what the content has found in a message.
func (c *Conn) feed(b []byte) {
	if c.peer != nil {
		c.peer.Feed(b)
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

// ErrTooBig is for a Content whose message is longer than it takes. It closes with 1009.
const ErrTooBig = ws.ProtocolError("the message is too big")

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
	switch err {
	case errUTF8, errReason:
		code = ws.StatusInvalidFramePayloadData
	case ErrTooBig:
		code = ws.StatusMessageTooBig
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
	c.Finish(c.periods.Linger)
}

// queue sends a whole frame.
func (c *Conn) queue(op ws.OpCode, payload []byte) {
	c.Conn.Queue(append(appendHeader(make([]byte, 0, 2+len(payload)), op, len(payload)), payload...))
}

func (c *Conn) endSession(err error) {
	if p := c.peer; p != nil {
		c.peer = nil
		p.Closed(err)
	}
}

// Timeout implements loop.Handler: it is time for a ping, or for something of the session.
func (c *Conn) Timeout() {
	now := c.Loop().Now()
	switch {
	case c.closing: // no Close frame came
		c.Finish(c.periods.Linger)
		return
	case now >= c.pinged+c.periods.Ping && !c.ping(now):
		return
	}
	if c.due > 0 && now >= c.due {
		next := c.peer.Timeout()
		if c.peer == nil {
			return
		}
		c.due = c.Loop().In(next)
	}
	c.arm()
}

// ping sends a ping. It reports false for a client that has not been heard for so long that it is
// given up; that of a paused session can't be.
func (c *Conn) ping(now time.Duration) bool {
	if !c.paused() && c.Heard() > c.periods.Dead {
		c.endSession(errDead)
		c.Abort()
		return false
	}
	c.pinged = now
	if c.content != nil {
		c.say(c.content.Beat())
	}
	c.queue(ws.OpPing, nil)
	return true
}

const errDead = ws.ProtocolError("the client answered no ping")

// Resume implements session.Conn. The client is given time to be heard again.
func (c *Conn) Resume() {
	c.pinged = c.Loop().Now()
	c.Conn.Resume()
}

// SetTimer implements session.Conn.
func (c *Conn) SetTimer(d time.Duration) {
	c.due = c.Loop().In(d)
	c.arm()
}

// arm sets the socket's timer to the next ping, or what the session wants before.
func (c *Conn) arm() {
	next := c.pinged + c.periods.Ping
	if c.due > 0 {
		next = min(next, c.due)
	}
	c.Conn.SetTimer(max(next-c.Loop().Now(), 1))
}

// Overflow implements loop.Handler. The Close frame is the last word; there is no time for a handshake.
func (c *Conn) Overflow() {
	if c.peer != nil {
		c.peer.Overflow()
	}
	c.over = true
	c.Finish(c.periods.Linger)
}

// Drain ends the session because the node stops. It reports false if it has ended already.
func (c *Conn) Drain() bool {
	if c.peer == nil {
		return false
	}
	c.peer.Drain()
	return true
}

// Drained implements loop.Drainer.
func (c *Conn) Drained() {
	if c.peer != nil {
		c.peer.Drained()
	}
}

// Closed implements loop.Handler.
func (c *Conn) Closed(err error) { c.endSession(err) }

// Close begins the closing handshake (section 7.1.2); the session is over.
func (c *Conn) Close(code session.CloseCode, reason string) {
	if c.closing || c.over {
		return
	}
	c.peer, c.closing = nil, true
	if c.content != nil {
		c.say(c.content.Goodbye(code, reason))
	}
	c.queue(ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), reason))
	c.Conn.Resume() // to read the client's Close frame
	c.Conn.SetTimer(c.periods.Close)
}

// Queue implements session.Conn. What comes this way is STOMP, and counts for Wrote; pings, pongs and
// Close frames don't.
func (c *Conn) Queue(framed []byte) {
	c.spoke = c.Loop().Ticks()
	c.Conn.Queue(framed)
}

// The rest implements session.Conn, and so does the socket.

func (c *Conn) Wrote() time.Duration { return c.Loop().Since(c.spoke) }

func (c *Conn) Transport() string {
	if c.content != nil {
		return c.content.Transport()
	}
	return "websocket"
}

func (c *Conn) Framing() session.Framing {
	if c.content != nil {
		return c.content.Framing()
	}
	return Framing{}
}
