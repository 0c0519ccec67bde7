package sockjs

import (
	"errors"
	"net/netip"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
)

// slowTime is for a client that does not read to take some of the last word, and longestParting for one
// that reads slowly to take all of it.
const (
	slowTime       = time.Second
	longestParting = 30 * time.Second
)

// maxPosts is how many posts may wait for a session that is paused. Clients send one at a time.
const maxPosts = 8

// Why a session ends, or a post is not taken.
var (
	errLapsed = errors.New("sockjs: the client has not come back to receive")
	errGone   = errors.New("there is no such session")
	errStuck  = errors.New("sockjs: the client does not take its answer")
	errAhead  = errors.New("sockjs: the client sends more before its request has been answered")
	errBusy   = errors.New("too many requests of this session wait for an earlier one")
)

// Conn is the server's end of a session over HTTP. It is the loop.Handler and loop.Carrier of a
// connection without a socket, and the session.Conn of its session.
//
//	start ──► open ─┬─ Close, or the receiver was cut ──► parting ─┬─► forgotten
//	                └─ no receiver for SessionTimeout ─────────────┘
//
// While it is open it has a receiver, or has had one and waits for the next (last). Parting, it has a goodbye,
// which every receiver is told, behind what has waited, until SessionTimeout has passed since the last one;
// peer is nil from then on.
type Conn struct {
	// Set when it is made, never changed.
	service   *Service
	id        string
	transport string // of the first receiver
	remote    netip.AddrPort
	loop      *loop.Loop
	host      *session.Host
	shared    *shared

	// Owned by the loop.
	sock     *loop.Conn    // nil before start, and once the session is forgotten
	peer     session.Peer  // nil once the conversation is over
	receiver *Receiver     // the request that waits for frames, nil for none
	last     *Receiver     // the one before it, nil for none
	posts    []*post       // what waits while the session is paused, oldest first
	goodbye  string        // the frame that ends it all; empty while the session is open
	due      time.Duration // loop time of the session's next Timeout, 0 for none
	beat     time.Duration // loop time of the receiver's next heart-beat
	lapse    time.Duration // loop time at which the session ends for want of a receiver
	until    time.Duration // loop time at which a client has to have taken goodbye and what came before
	started  bool
	opened   bool // the open frame has been sent
	parted   bool // goodbye has been sent at least once
	awaited  bool // the session wants to know when nothing waits for its client
	draining bool // nobody need hear goodbye again
}

// start begins the session, once.
func (c *Conn) start() {
	if c.started {
		return
	}
	c.started = true
	c.sock = c.loop.Open(c, c)
	c.expect()
	peer := c.service.Application(c.host, c)
	if c.goodbye == "" {
		c.peer = peer
	}
	c.arm()
}

// attach makes r what the client receives by.
func (c *Conn) attach(r *Receiver) {
	c.start()
	switch {
	case c.sock == nil:
		r.end(closeFrame(codeBroken, "Connection interrupted"))
		return
	case c.receiver != nil:
		r.end(closeFrame(codeBusy, "Another connection still open"))
		return
	}
	c.receiver, c.last = r, nil
	c.sock.Hear()
	c.beat = c.loop.Now() + c.service.Heartbeat
	r.begin()
	if !c.opened {
		c.opened = true
		c.tell(openFrame)
	}
	c.arm()
	c.pump(r)
}

// pump lets what waits leave by r, if the client still receives by that.
func (c *Conn) pump(r *Receiver) {
	if c.sock == nil || c.receiver != r || r == nil {
		return
	}
	c.sock.Writable()
	switch {
	case c.goodbye != "":
		c.sock.AwaitDrainUnjudged()
	case c.awaited:
		c.sock.AwaitDrain()
	}
}

// tell sends a frame that is no message.
func (c *Conn) tell(frame string) {
	c.receiver.frame([]byte(frame))
	c.settle()
}

// settle notes that a receiver has sent all it may.
func (c *Conn) settle() {
	if c.receiver != nil && c.receiver.over {
		c.receiver, c.last = nil, c.receiver
		c.expect()
		c.arm()
	}
}

// expect gives the client time to send another receiver.
func (c *Conn) expect() {
	d := c.service.SessionTimeout
	if c.draining {
		d = min(d, c.service.Parting)
	}
	c.lapse = c.loop.Now() + d
}

// Carry implements loop.Carrier: b is elements of Framing.
func (c *Conn) Carry(b []byte) bool {
	if c.receiver == nil || !c.receiver.ready() {
		return false
	}
	c.receiver.messages(b)
	c.settle()
	return true
}

// Drained implements loop.Drainer: all messages have gone to receivers. The session is told when they have left, or it
// is time to part.
func (c *Conn) Drained() {
	switch {
	case c.peer != nil:
		c.tellDrained()
	case c.receiver != nil && c.goodbye != "":
		c.part()
	}
}

// tellDrained tells the session that it may send more, unless its receiver is still at it: then pump asks again.
func (c *Conn) tellDrained() {
	if c.awaited && (c.receiver == nil || c.receiver.ready()) {
		c.awaited = false
		c.peer.Drained()
	}
}

// part tells the client that all is over.
func (c *Conn) part() {
	c.receiver.end(c.goodbye)
	c.parted = true
	if c.settle(); c.draining {
		c.forget()
	}
}

// Timeout implements loop.Handler.
func (c *Conn) Timeout() {
	now := c.loop.Now()
	switch {
	case c.late(now):
		c.endPeer(errLapsed)
		c.forget()
		return
	case c.receiver != nil && now >= c.beat:
		c.beat = now + c.service.Heartbeat
		if c.receiver.ready() {
			c.tell(heartbeat)
		}
	}
	if c.peer != nil && c.due > 0 && now >= c.due {
		if next := c.peer.Timeout(); c.peer != nil {
			c.due = c.loop.In(next)
		}
	}
	c.arm()
}

// late reports whether the client has had all the time that it may take: to ask again, or to take
// what is the end.
func (c *Conn) late(now time.Duration) bool {
	if c.receiver != nil && c.goodbye == "" || now < c.lapse {
		return false
	}
	if r := c.receiver; r != nil {
		if now < c.until && r.takes() {
			c.expect()
			return false
		}
		c.receiver = nil
		r.sock.Abort()
		return true
	}
	if c.last != nil && c.last.arriving(&c.last.unsent) {
		c.expect()
		return false
	}
	return true
}

// arm sets the timer to what comes next.
func (c *Conn) arm() {
	if c.sock == nil {
		return
	}
	next := c.lapse
	if c.receiver != nil && c.goodbye == "" {
		next = c.beat
	}
	if c.peer != nil && c.due > 0 {
		next = min(next, c.due)
	}
	c.sock.SetTimer(max(next-c.loop.Now(), 1))
}

// interrupted tells that r's socket is gone: nobody knows what of it has arrived ("Handling close").
func (c *Conn) interrupted(r *Receiver, err error) {
	if c.sock == nil || c.receiver != r && (c.last != r || r.left) {
		return
	}
	c.receiver, c.last = nil, nil
	c.sock.Drop() // or the client would get what comes after a gap
	c.endPeer(err)
	if c.goodbye == "" {
		c.goodbye = closeFrame(codeBroken, "Connection interrupted")
	}
	c.expect()
	c.arm()
}

// endPeer tells the session that its client is gone.
func (c *Conn) endPeer(err error) {
	p := c.peer
	c.peer = nil
	if p != nil {
		p.Closed(err)
	}
	c.feed()
}

// forget gives back all that the session holds.
func (c *Conn) forget() {
	c.service.forget(c)
	c.last = nil // its socket ends by itself
	if c.sock != nil {
		c.sock.Abort()
		c.sock = nil
	}
}

// Overflow implements loop.Handler.
func (c *Conn) Overflow() {
	if c.peer != nil {
		c.peer.Overflow()
		c.lapse = min(c.lapse, c.loop.Now()+slowTime)
		c.arm()
	}
}

// Closed implements loop.Handler: the loop has ended.
func (c *Conn) Closed(err error) {
	c.sock = nil
	c.service.forget(c)
	c.endPeer(err)
}

// Drain ends the session because the node stops. It reports false if it has ended already.
func (c *Conn) Drain() bool {
	again := c.draining
	c.draining = true
	switch {
	case c.peer != nil:
		c.peer.Drain()
		return true
	case c.parted && c.receiver == nil: // else Drained forgets it, when that has been told
		c.forget()
	case !again:
		c.expect()
		c.arm()
	}
	return false
}

// Feed implements loop.Handler. Without a socket nothing comes this way.
func (c *Conn) Feed(b []byte) int { return len(b) }

// Close ends the session: the client gets what waits for it, and then learns why.
func (c *Conn) Close(code session.CloseCode, reason string) {
	if c.goodbye != "" {
		return
	}
	c.peer, c.goodbye, c.until = nil, closeFrame(int(code), reason), c.loop.Now()+longestParting
	if c.receiver != nil {
		c.receiver.takes() // from now on
	}
	c.expect()
	c.feed()
	c.arm()
	c.pump(c.receiver)
}

// SetTimer implements session.Conn.
func (c *Conn) SetTimer(d time.Duration) {
	c.due = c.loop.In(d)
	c.arm()
}

// Resume implements session.Conn.
func (c *Conn) Resume() {
	c.sock.Resume()
	c.loop.Post(c.feed) // not now: the session is still busy with what it has
}

// Queued implements session.Conn: what waits for a receiver, and what of it the client does not take.
func (c *Conn) Queued() int {
	n := c.sock.Queued()
	if c.receiver != nil {
		n += c.receiver.sock.Queued()
	}
	return n
}

// AwaitDrain implements session.Conn.
func (c *Conn) AwaitDrain() {
	c.awaited = true
	c.sock.AwaitDrain()
}

// The rest implements session.Conn and loop.Carrier.

func (c *Conn) Transport() string        { return c.transport }
func (c *Conn) Framing() session.Framing { return Framing{} }
func (c *Conn) Remote() netip.AddrPort   { return c.remote }
func (c *Conn) Queue(elements []byte)    { c.sock.Queue(elements) }
func (c *Conn) Heard() time.Duration     { return c.sock.Heard() }
func (c *Conn) Wrote() time.Duration     { return c.sock.Wrote() }
func (c *Conn) Pause()                   { c.sock.Pause() }
