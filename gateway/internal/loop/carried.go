package loop

import (
	"errors"
	"net"
	"net/netip"
)

// Carrier takes what a connection without a socket of its own sends; see Loop.Open. Its methods run
// on the loop.
type Carrier interface {
	// Carry takes all of b, which is one or more whole frames and is borrowed for the call. Or it
	// takes nothing and reports false; then Conn.Writable tells when to try again.
	Carry(b []byte) bool
}

// Open makes a connection that has no socket, for a conversation over many of them: it has the
// timer, the outbound queue with its limit, and the place on the loop of any other, and what it
// sends goes to carrier. Nothing is read; Hear stands for it. It must be called on the loop.
func (l *Loop) Open(carrier Carrier, h Handler) *Conn {
	c := &Conn{fd: -1, medium: &medium{carried{carrier}}}
	l.begin(c, nil, func(*Conn) Handler { return h })
	return c
}

// Hear notes that the other side has been heard, for Conn.Heard.
func (c *Conn) Hear() { c.heard = c.loop.Listened() }

// Writable tells that the Carrier, after a refusal, can take frames again.
func (c *Conn) Writable() { c.writable() }

// carried serves a connection that has no socket.
type carried struct{ carrier Carrier }

func (m carried) write(_ *Conn, b []byte) (int, error) {
	if !m.carrier.Carry(b) {
		return 0, errAgain
	}
	return len(b), nil
}

func (m carried) remote() netip.AddrPort { return netip.AddrPort{} }

// shutdown ends the connection: there is no other side that would close too.
func (m carried) shutdown(c *Conn) { c.close() }

func (m carried) receive() ([]byte, error) { return nil, errAgain }
func (m carried) fed(*Conn, int)           {}
func (m carried) closeRead()               {}
func (m carried) reset()                   {}
func (m carried) close()                   {}
func (m carried) unsent() int              { return 0 }

func (m carried) detach() (net.Conn, error) {
	return nil, errors.New("loop: a connection without a socket can't be detached")
}
