// Package tcp carries STOMP over a plain stream, as the specification assumes it.
package tcp

import (
	"bytes"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
)

// lingerWait is how long the peer has to take a last word and close.
const lingerWait = time.Second

// Framing packs nothing: STOMP frames end themselves.
type Framing struct{}

// Append appends head and rest.
func (Framing) Append(dst []byte, _ bool, head, rest []byte) []byte {
	return append(append(dst, head...), rest...)
}

// Overhead is 0.
func (Framing) Overhead() int { return 0 }

// Conn is the server's end of one connection. It is the loop.Handler of its socket and the
// session.Conn of its session, and lives on their loop.
type Conn struct {
	*loop.Conn
	session *session.Session
	begun   bool // the first bytes may be STOMP
}

// New starts a STOMP session of host over sock.
func New(sock *loop.Conn, host *session.Host) *Conn {
	c := &Conn{Conn: sock}
	c.session = session.New(host, c)
	return c
}

// Feed implements loop.Handler. A paused session keeps what it does not take itself.
func (c *Conn) Feed(b []byte) int {
	if !c.begun {
		if wait := c.begin(b); wait > 0 {
			return len(b) - wait
		}
	}
	c.session.Feed(b)
	return len(b)
}

// begin looks at what comes before anything else, and returns how many bytes of the end of b have to wait
// for more.
func (c *Conn) begin(b []byte) (wait int) {
	first := bytes.TrimLeft(b, "\r\n") // heart-beats
	why, known := foreign(first)
	switch {
	case !known:
		return len(first)
	case why != "":
		c.session.Reject(why)
	}
	c.begun = len(first) > 0
	return 0
}

// Timeout implements loop.Handler.
func (c *Conn) Timeout() { c.SetTimer(c.session.Timeout()) }

// Overflow implements loop.Handler.
func (c *Conn) Overflow() { c.session.Overflow() }

// Drained implements loop.Drainer.
func (c *Conn) Drained() { c.session.Drained() }

// Closed implements loop.Handler.
func (c *Conn) Closed(err error) { c.session.Closed(err) }

// Drain ends the session because the node stops.
func (c *Conn) Drain() bool {
	c.session.Drain()
	return true
}

// Transport implements session.Conn, and so do Framing, Close and what the socket does.
func (c *Conn) Transport() string { return "tcp" }

// Framing packs nothing.
func (c *Conn) Framing() session.Framing { return Framing{} }

// Close ends the connection after what is queued: a plain stream has no words for the reason.
func (c *Conn) Close(session.CloseCode, string) { c.Finish(lingerWait) }
