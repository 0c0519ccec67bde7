package loop

import (
	"bytes"
	"net"
	"net/netip"
	"time"
)

// Handler is what a connection's bytes mean to somebody. Its methods run on the loop.
type Handler interface {
	// Feed takes bytes from the front of b, which it may change and which it borrows for the call
	// alone, and returns how many. What it leaves is given again, with what follows. A Handler
	// that has replaced itself (Conn.Handle) leaves the rest to its successor.
	Feed(b []byte) (taken int)
	// Timeout tells that the time given to Conn.SetTimer has passed.
	Timeout()
	// Overflow tells that more than the limit waits for a client that does not read. The frame
	// that has begun to leave is finished, the others are gone. The Handler may queue a last word
	// and has to end the connection.
	Overflow()
	// Closed tells that the connection is gone and why: io.EOF when the other side closed (what is
	// queued still leaves, if it can), ErrStopped when the loop ended. It is the last call, and
	// does not come after Finish, Abort or Detach.
	Closed(err error)
}

// Drainer is a Handler that uses Conn.AwaitDrain or Conn.AwaitDrainUnjudged.
type Drainer interface {
	// Drained tells that nothing is queued: the socket has taken all there was.
	Drained()
}

// await is how a Handler waits for Drained; the later one counts.
type await uint8

const (
	notAwaited await = iota
	judged
	due // judged, and on the loop's list of those that have nothing queued
	unjudged
)

// Conn is one connection, owned by one loop: every method belongs to that loop's goroutine.
//
// It ends in one of these ways; what is in brackets is the field that says so, and each moves forward only:
//
//	                     ┌─ Finish, or its end was read ─► [finishing] ── all has left ──► [shut] ─┐
//	served by a Handler ─┤                                     └───── took too long: a reset ──────┼─► [closed]
//	                     └─ Abort, a fault of the socket, Detach, Move, the loop's end ────────────┘
//
// The other side's end of it is [peer]: it speaks, has hung up with bytes still to read, or has ended. A
// finishing connection that is shut is closed once the other side has ended too.
type Conn struct {
	loop    *Loop
	handler Handler
	medium  *medium  // what serves it when it has no raw descriptor, else nil
	in      []byte   // read and not yet taken; nil when there is none
	run     *run     // queued in this turn; nil when there is none
	kept    *backlog // did not fit the socket's buffer; nil when there is none
	timer   deadline

	fd    int32  // -1 when medium serves it
	slot  uint32 // in the loop's table
	gen   uint32 // tells this connection from an earlier one in the same slot
	heard uint32 // Listened at the last byte read
	wrote uint32 // tick of the last write

	queued    bool // on the loop's ready list
	dirty     bool // on the loop's dirty list
	again     bool // what is in must be fed before anything is read
	paused    bool // by the Handler: nothing is read or fed
	blocked   bool // the socket's buffer is full
	peer      peer // how far the other side has closed
	awaited   await
	overflown bool // Overflow has been called
	mute      bool // Queue does nothing
	finishing bool // flush, then close; what comes in is thrown away
	shut      bool // our side is closed
	closed    bool
}

// medium is a server behind one word, since most connections have a raw descriptor and need none.
type medium struct{ server }

// server is what a connection reads and writes by. Its methods run on the loop, and wait for nothing.
type server interface {
	receive() ([]byte, error) // errAgain when there is nothing
	fed(c *Conn, n int)       // the Handler is done with the n bytes that receive returned last
	write(c *Conn, b []byte) (int, error)
	shutdown(c *Conn) // closes our side
	closeRead()       // makes reads end after what has arrived
	reset()           // makes the coming close a reset: what has not left is thrown away
	close()
	unsent() int // bytes that were written and the other side has not taken, as far as that can be told
	detach() (net.Conn, error)
	remote() netip.AddrPort
}

// peer is how far the other side of a connection has closed. It only moves forward.
type peer uint8

const (
	speaks peer = iota
	hung        // it has closed, perhaps with bytes still to read
	ended       // its last byte has been read
)

// Handle makes h the connection's Handler from the next call on; bytes that the one before has left
// are fed to it. After Finish it does nothing.
func (c *Conn) Handle(h Handler) {
	if c.finishing || c.closed {
		return
	}
	if c.handler = h; len(c.in) > 0 {
		c.again = true
		c.enqueue()
	}
}

// Handler is what Handle set last, nil after Finish.
func (c *Conn) Handler() Handler {
	if c.finishing {
		return nil
	}
	return c.handler
}

// Loop is the owner.
func (c *Conn) Loop() *Loop { return c.loop }

// Remote is the address of the other side, the zero value if it has none.
func (c *Conn) Remote() netip.AddrPort { return c.server().remote() }

// Heard and Wrote are how long ago the connection's last byte came and went; Heard without the sleeps
// in which the process was stopped.
func (c *Conn) Heard() time.Duration { return c.loop.Silence(c.heard) }
func (c *Conn) Wrote() time.Duration { return c.loop.Since(c.wrote) }

// Queued is how many bytes wait for the socket to take them.
func (c *Conn) Queued() int {
	n := 0
	if c.run != nil {
		n = c.run.size
	}
	if c.kept != nil {
		n += c.kept.size
	}
	return n
}

// AwaitDrain calls Drained of the Handler, which must be a Drainer, once when nothing is queued or on its
// way any more: in a later turn, so that who queues a piece each time takes turns with the others. Overflow
// is judged meanwhile as ever. It does nothing for a connection that ends.
func (c *Conn) AwaitDrain() {
	c.awaited = max(c.awaited, judged)
	c.touch()
}

// AwaitDrainUnjudged is AwaitDrain for a Handler that itself bounds what it queues: there is no Overflow until
// Drained, which comes at the end of this turn at the soonest.
func (c *Conn) AwaitDrainUnjudged() {
	c.awaited = unjudged
	c.touch()
}

// Idle reports whether nothing is queued or on its way, as Detach and Move need it.
func (c *Conn) Idle() bool { return c.run == nil && c.kept == nil && !c.blocked }

// ReadsAhead reports whether the connection is read while the Handler leaves bytes. Then, until it
// takes them all, Detach and Move fail.
func (c *Conn) ReadsAhead() bool { return c.medium != nil }

// Outstanding is how many bytes of what was queued the other side has not taken: those that wait here,
// and where the system tells, what it has.
func (c *Conn) Outstanding() int {
	if c.closed {
		return 0
	}
	return c.Queued() + c.server().unsent()
}

// CloseWrite closes our side, once nothing is queued; the other side learns that all has come. The
// Handler stays, and sends no more.
func (c *Conn) CloseWrite() {
	if !c.shut && !c.closed {
		c.shut, c.mute = true, true
		c.server().shutdown(c)
	}
}

// Drop forgets what is queued and has not begun to leave.
func (c *Conn) Drop() {
	if c.run = nil; c.kept == nil {
		return
	}
	if c.kept.cut(); c.kept.size == 0 {
		c.kept = nil
	}
}

// SetTimer calls Handler.Timeout once, not before d from now (a year at most); it replaces an
// earlier timer. 0 means never.
func (c *Conn) SetTimer(d time.Duration) {
	if c.finishing || c.closed {
		return
	}
	if d <= 0 {
		c.loop.wheel.unset(c)
		return
	}
	c.setTimer(d)
}

func (c *Conn) setTimer(d time.Duration) {
	c.loop.wheel.set(c, uint32((c.loop.now+min(d, farthest)+tick-1)/tick))
}

// Pause stops reading. Bytes that the current Feed does not take are kept.
func (c *Conn) Pause() { c.paused = !c.finishing }

// Resume undoes Pause: kept bytes are fed in the next turn, then reading goes on. Heard begins anew:
// nobody listened meanwhile.
func (c *Conn) Resume() {
	if c.paused {
		c.paused, c.again, c.heard = false, true, c.loop.Listened()
		c.enqueue()
	}
}

// Finish ends the connection in peace: what is queued is sent, our side is closed, and when the
// other side has closed too, the socket is. After linger in which the other side took nothing of what is
// on its way, or has all and does not close, it is reset: perhaps inside a frame, and then nothing
// follows. One that keeps taking has half a minute, if linger is not longer. The Handler is not called
// again.
func (c *Conn) Finish(linger time.Duration) {
	if c.finishing || c.closed {
		return
	}
	c.handler = &farewell{conn: c, linger: linger, unsent: c.Outstanding(), until: c.loop.now + max(linger, longestFarewell)}
	c.setTimer(linger)
	c.finishing, c.mute, c.paused, c.in = true, true, false, nil
	c.touch()
	c.enqueue() // what has arrived is thrown away, or the close would be a reset
}

// Abort resets the connection. The Handler is not called again.
func (c *Conn) Abort() {
	if !c.closed {
		c.server().reset()
		c.close()
	}
}

// Detach gives the connection away as a net.Conn, with the bytes of b behind those taken, which
// are the Handler's last: only Feed may call it, with its own argument, while the connection is
// Idle. On an error the connection is gone.
func (c *Conn) Detach(taken int, b []byte) (nc net.Conn, rest []byte, err error) {
	rest = bytes.Clone(b[taken:])
	nc, err = c.server().detach()
	c.leave()
	return nc, rest, err
}

// Move gives the connection to another loop, where newHandler runs and the bytes of b behind those
// taken are fed first. The terms are those of Detach; it reports false if the connection is gone.
func (c *Conn) Move(to *Loop, taken int, b []byte, newHandler func(*Conn) Handler) bool {
	if c.medium == nil {
		return c.moveDescriptor(to, bytes.Clone(b[taken:]), newHandler)
	}
	nc, rest, err := c.Detach(taken, b)
	return err == nil && to.adoptStream(nc, rest, newHandler)
}
