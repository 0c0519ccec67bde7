package session

import (
	"net/netip"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/router"
)

// Framing is how a transport packs one STOMP frame.
type Framing = router.Framing

// Conn is what a transport gives its session. All of it runs on the session's loop.
type Conn interface {
	Transport() string // as the registry names it, such as "websocket" or "xhr-streaming"
	Framing() Framing
	Remote() netip.AddrPort
	// Queue sends a packed frame at the end of the turn. Others may share its bytes. It is not empty.
	Queue(packed []byte)
	// Queued is how many bytes wait for the client to take them.
	Queued() int
	// AwaitDrain calls Peer.Drained once, when nothing waits for the client any more: that of a transport which polls
	// has asked for all of it then. It is a later turn of the loop. A client that is too slow is ended meanwhile as ever.
	AwaitDrain()
	// Heard and Wrote are how long ago the last byte came and went.
	Heard() time.Duration
	Wrote() time.Duration
	// SetTimer calls Session.Timeout once, after d.
	SetTimer(d time.Duration)
	// Pause stops reading: Feed is not called until Resume.
	Pause()
	Resume()
	// Close ends the connection after what is queued has left. The session is not called again.
	Close(code CloseCode, reason string)
}

// Peer is what a transport carries: a Session, or what a test service has in its place. All of it
// runs on one loop. After Closed, and after Conn.Close, it is not called again.
type Peer interface {
	// Feed takes the next bytes, which it may change and borrows for the call alone. A paused Peer
	// takes them too, and carries them out later.
	Feed(b []byte)
	Paused() bool
	// Timeout is called when Conn.SetTimer says, and returns when it wants to be called again, 0 for never.
	Timeout() time.Duration
	Overflow()        // more than the limit waits for the client, and is gone
	Drained()         // nothing waits for the client any more; see Conn.AwaitDrain
	Drain()           // the node stops
	Closed(err error) // the connection is gone
}

// CloseCode says why the server closes, in the numbers of WebSocket (RFC 6455 section 7.4.1).
type CloseCode uint16

const (
	CloseNormal    CloseCode = 1000 // after DISCONNECT
	CloseGoingAway CloseCode = 1001 // the node drains
	CloseProtocol  CloseCode = 1002 // after an ERROR
	ClosePolicy    CloseCode = 1008 // a client that is too slow, or silent
)
