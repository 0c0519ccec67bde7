package gateway_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/internal/session"
)

// outlets are the ways in that lead to what WithApplication says; TCP does not.
func outlets() []entrance { return entrances(allTransports()...)[1:] }

// pieces is a Peer that sends its client a piece each time when nothing is queued any more. It belongs to its loop.
type pieces struct {
	t      testing.TB
	conn   session.Conn
	piece  []byte
	left   int
	within bool // a call of it, in which nothing is told
}

func (p *pieces) Feed([]byte) {
	p.within = true
	p.next()
	p.within = false
}

// next sends a piece, or closes after the last.
func (p *pieces) next() {
	if p.left--; p.left < 0 {
		p.conn.Close(session.CloseNormal, "")
		return
	}
	p.conn.Queue(p.conn.Framing().Append(nil, true, p.piece, nil))
	p.conn.AwaitDrain()
}

func (p *pieces) Drained() {
	if n := p.conn.Queued(); n > 0 || p.within {
		p.t.Errorf("told with %d bytes queued, from within a call: %v", n, p.within)
	}
	p.next()
}

func (p *pieces) Paused() bool           { return false }
func (p *pieces) Timeout() time.Duration { return 0 }
func (p *pieces) Overflow()              { p.t.Error("it has queued too much") }
func (p *pieces) Drain()                 { p.conn.Close(session.CloseGoingAway, "") }
func (p *pieces) Closed(error)           {}

// TestAwaitDrain: who queues a piece each time when the client has taken the one before sends more than
// limits.outbound, to each transport, and whatever serves the socket.
func TestAwaitDrain(t *testing.T) {
	t.Parallel()
	const count, outbound = 60, 96 << 10
	piece := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, sockJS(), gateway.WithLimits(gateway.Limits{Message: 64 << 10, Outbound: outbound, Connections: 100, ConnectTimeout: patience}),
			gateway.WithApplication(func(c session.Conn) session.Peer {
				return &pieces{t: t, conn: c, piece: piece, left: count}
			}))
		for _, e := range outlets() {
			t.Run(e.name, func(t *testing.T) {
				c := e.dial(t, n)
				c.send("begin")
				for i := range count {
					got := make([]byte, len(piece))
					if _, err := io.ReadFull(c.conn, got); err != nil || !bytes.Equal(got, piece) {
						t.Fatalf("piece %d: %v", i, err)
					}
				}
				c.wantClosed()
			})
		}
	})
}

// hoarder is a Peer that waits, and has queued more than may wait.
type hoarder struct {
	pieces
	overflown chan struct{}
}

func (h *hoarder) Feed([]byte) {
	h.conn.AwaitDrain()
	for range h.left {
		h.conn.Queue(h.conn.Framing().Append(nil, true, h.piece, nil))
	}
}

func (h *hoarder) Drained() { h.t.Error("told with bytes queued") }

func (h *hoarder) Overflow() {
	h.conn.Close(session.ClosePolicy, "too slow")
	h.overflown <- struct{}{}
}

// TestAwaitDrainOverflow: a client that does not read is judged while somebody waits for it.
func TestAwaitDrainOverflow(t *testing.T) {
	t.Parallel()
	eachSocket(t, func(t *testing.T, start startFunc) {
		overflown := make(chan struct{}, 1)
		n := start(t, sockJS(), gateway.WithLimits(gateway.Limits{Message: 64 << 10, Outbound: 128 << 10, Connections: 100, ConnectTimeout: patience}),
			gateway.WithApplication(func(c session.Conn) session.Peer {
				return &hoarder{pieces{t: t, conn: c, piece: bytes.Repeat([]byte{'x'}, 1<<20), left: 16}, overflown}
			}))
		for _, e := range outlets() {
			t.Run(e.name, func(t *testing.T) {
				e.dial(t, n).send("begin")
				<-overflown
			})
		}
	})
}

// A session that is asked to wait goes on, over each transport.
func TestAwaitDrainOfSessions(t *testing.T) {
	n := start(t, sockJS())
	var all []*client
	for _, e := range entrances(allTransports()...) {
		all = append(all, e.dial(t, n).connect())
	}
	if got := n.AwaitDrain(); got != len(all) {
		t.Errorf("%d connections wait, of %d", got, len(all))
	}
	for _, c := range all {
		c.wantAlive()
	}
}
