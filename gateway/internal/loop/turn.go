package loop

import (
	"bytes"
	"io"
	"time"
)

// What one turn may do before it writes and looks at the sockets again, so that neither latency
// nor memory runs away: tasks from the inbox, bytes read, and time spent on either.
const (
	turnTasks = 256
	turnBytes = 1 << 20
	turnTime  = time.Millisecond
)

// readBudget is what a turn reads of one connection at most, in bytes; a connection with more goes
// to the end of the ready list, so that a fast sender does not starve the others.
const readBudget = 64 << 10

// oversleep is how much later than planned a turn may begin before the loop takes it that the
// process was not running.
const oversleep = time.Second

// longestSleep bounds a sleep while there are timers: a stop of the process that ends within a sleep is
// not noticed, and counts as slept.
const longestSleep = 10 * time.Second

// worthKeeping is how many bytes a Handler has to leave for them to stay where they are, and what it
// has taken with them, rather than be copied: one that pauses after each frame leaves most of what
// there is each time.
const worthKeeping = 4 << 10

// eofLinger is how long a client that has closed its half gets to take what is queued for it.
const eofLinger = time.Second

// turn is one round: read, run, time, write.
func (l *Loop) turn() {
	l.tellTime()
	l.read()
	l.tellDrained()
	l.drainInbox()
	l.wheel.advance(l.Ticks(), (*Conn).timeout)
	l.flush()
}

// wait blocks until there is something to do: a socket, a posted task, a timer or wake.
func (l *Loop) wait() error {
	l.planned = l.now
	if l.busy || l.hasWork() {
		if err := l.poller.collect(); err != nil || l.hasWork() {
			return err
		}
	}
	l.tellTime() // the process may have been stopped in the turn: that is no time slept
	timeout := l.wheel.until(l.now)
	if timeout >= 0 {
		timeout = min(timeout, longestSleep)
	}
	// Before the inbox says that the loop sleeps: a wake that comes after that must stay.
	if err := l.poller.arm(timeout); err != nil {
		return err
	}
	if !l.inbox.sleep() {
		return nil // a task came in between
	}
	defer l.inbox.awake()
	if l.planned = forever; timeout >= 0 {
		l.planned = l.now + timeout
	}
	return l.poller.sleep()
}

// hasWork reports whether a turn would do something without a look at the sockets.
func (l *Loop) hasWork() bool {
	return len(l.ready) > 0 || len(l.dirty) > 0 || len(l.todo) > 0 || len(l.drained) > 0
}

// tellTime sets the time of the turn. Time in which the process did not run, because it or its
// machine was stopped, does not count: what clients sent meanwhile is still to be read, and no
// timer may judge them before. Of the sleep in which it was stopped nobody knows how much it slept:
// what the loop owes is due by all of it, and whoever is listened to has said nothing for none.
func (l *Loop) tellTime() {
	before := l.now
	l.now = time.Since(l.start)
	if lost := l.now - l.planned; lost > oversleep {
		l.start = l.start.Add(lost)
		l.now -= lost
		l.deaf += l.now - before
	}
}

// read lets each ready connection have its share of the turn. What a turn does not get to stays on
// the list, in front of those that have had their share or become ready later.
func (l *Loop) read() {
	i, bytes := 0, 0
	for n := len(l.ready); i < n && bytes < turnBytes; i++ {
		if i%16 == 15 && time.Since(l.start)-l.now > turnTime {
			break
		}
		c := l.ready[i]
		c.queued = false
		bytes += c.read()
	}
	left := copy(l.ready, l.ready[i:])
	clear(l.ready[left:])
	l.ready = l.ready[:left]
}

// tellDrained lets Handlers go on that have waited until nothing was queued. Those that a turn does not get
// to stay on the list.
func (l *Loop) tellDrained() {
	i := 0
	for n := len(l.drained); i < n; i++ {
		if i%16 == 15 && time.Since(l.start)-l.now > turnTime {
			break
		}
		l.drained[i].tellDrained()
	}
	left := copy(l.drained, l.drained[i:])
	clear(l.drained[left:])
	l.drained = l.drained[:left]
}

// drainInbox runs what other goroutines posted.
func (l *Loop) drainInbox() {
	if len(l.todo) == 0 {
		l.todo = l.inbox.take(l.todo)
	}
	first := l.next
	for l.next < len(l.todo) && l.next-first < turnTasks {
		l.todo[l.next]()
		l.next++
		if l.next%16 == 0 && time.Since(l.start)-l.now > turnTime {
			break
		}
	}
	l.inbox.done(l.next - first)
	if l.next == len(l.todo) {
		clear(l.todo) // the loop may sleep for long
		l.todo, l.next = l.todo[:0], 0
	}
}

// flush writes what the turn has queued, once for each connection. A flush that closes a connection
// may queue for it or others: they are appended and get their write too.
func (l *Loop) flush() {
	for i := 0; i < len(l.dirty); i++ {
		l.dirty[i].flush()
	}
	clear(l.dirty)
	l.dirty = l.dirty[:0]
	l.flat.forget()
	l.root.next = nil
}

// enqueue puts c on the ready list.
func (c *Conn) enqueue() {
	if !c.queued && !c.closed {
		c.queued = true
		c.loop.ready = append(c.loop.ready, c)
	}
}

// touch puts c on the list of those that the turn writes to.
func (c *Conn) touch() {
	if !c.dirty {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// read lets the connection have its share of a turn and returns how many bytes it read.
func (c *Conn) read() int {
	if c.paused || c.peer == ended || c.closed {
		return 0
	}
	if c.again {
		c.again = false
		if c.feed(nil); c.paused || c.closed {
			return 0
		}
	}
	b, err := c.server().receive()
	if len(b) > 0 {
		c.heard = c.loop.Listened()
		c.feed(b)
		c.server().fed(c, len(b))
	}
	switch {
	case err == nil || err == errAgain:
	case err == io.EOF:
		c.eof()
	default:
		c.fail(err)
	}
	return len(b)
}

// feed gives the Handler what was left and what is new.
func (c *Conn) feed(b []byte) {
	ours := len(c.in) > 0 // else b is borrowed
	if ours {
		b = append(c.in, b...)
		c.in = b
	}
	all := len(b)
	for h := Handler(nil); h != c.handler && len(b) > 0 && !c.paused; {
		if h = c.handler; h == nil {
			return // the connection is gone
		}
		b = b[h.Feed(b):]
	}
	switch {
	case c.closed || c.finishing || len(b) == 0:
		c.in = nil
	case ours && (len(b) == all || len(b) >= worthKeeping):
		c.in = b
	default:
		c.in = bytes.Clone(b)
	}
}

// eof ends a connection whose other side has closed. It may have closed only its half: what its
// last bytes asked for is still answered.
func (c *Conn) eof() {
	c.peer = ended
	if h := c.handler; h != nil {
		c.Finish(eofLinger)
		h.Closed(io.EOF)
	}
	c.touch()
}

// fail closes the connection and tells the Handler.
func (c *Conn) fail(err error) {
	if c.closed {
		return
	}
	h := c.handler
	if c.close(); h != nil {
		h.Closed(err)
	}
}

func (c *Conn) close() {
	c.leave()
	c.server().close()
}

// leave takes c off the loop without closing its socket.
func (c *Conn) leave() {
	c.closed, c.mute = true, true
	c.handler, c.in, c.run, c.kept = nil, nil, nil, nil
	c.loop.wheel.unset(c)
	c.loop.conns.remove(c)
}

// tellDrained calls Drained, unless something has been queued since.
func (c *Conn) tellDrained() {
	switch {
	case c.awaited != due || c.mute:
	case !c.Idle():
		c.awaited = judged
	default:
		c.awaited = notAwaited
		c.handler.(Drainer).Drained()
	}
}

func (c *Conn) timeout() { c.handler.Timeout() }

// Queue sends frame, which must not be empty, at the end of the turn. The frame may be shared with
// other connections; nobody may change it from now on. After Finish it does nothing.
func (c *Conn) Queue(frame []byte) {
	if c.mute {
		return
	}
	if c.run == nil {
		c.run = c.loop.root
		c.touch()
	}
	c.run = c.run.extend(frame)
}

// flush writes what is queued, as far as the socket takes it, and judges a client that does not
// read by what is left.
func (c *Conn) flush() {
	c.dirty = false
	if c.closed {
		return
	}
	if err := c.send(); err != nil {
		c.sever(err)
		return
	}
	switch {
	case c.kept == nil && !c.blocked && c.finishing:
		c.part()
	case c.kept != nil && c.kept.size > c.loop.limit && c.awaited != unjudged && !c.overflown && !c.finishing:
		c.overflow()
	case c.awaited == unjudged && c.kept == nil && !c.blocked && c.handler != nil:
		c.awaited = notAwaited
		c.handler.(Drainer).Drained()
	case c.awaited == judged && c.kept == nil && !c.blocked && !c.mute:
		c.awaited = due
		c.loop.drained = append(c.loop.drained, c)
	}
}

// part ends a finishing connection whose bytes have all left: our side of it, and the socket when
// the other side has closed too.
func (c *Conn) part() {
	switch {
	case c.peer == ended:
		c.close()
	case !c.shut:
		c.shut = true
		c.server().shutdown(c)
	}
}

func (c *Conn) overflow() {
	c.overflown = true
	c.Drop()
	c.handler.Overflow()
}

// sever gives up writing after an error. A client that leaves while bytes are on their way to it
// resets the connection, which is no reason to lose its last frame: what has arrived is still fed.
// Then the reads end as if the client had closed in peace, whatever the error was.
func (c *Conn) sever(err error) {
	if c.finishing {
		c.fail(err)
		return
	}
	c.mute, c.peer, c.blocked, c.run, c.kept = true, max(c.peer, hung), false, nil, nil
	c.server().closeRead()
	c.enqueue()
}

// send writes what there is, until the socket's buffer is full.
func (c *Conn) send() error {
	if r := c.run; r != nil {
		c.run = nil
		n := 0
		if c.kept == nil && !c.blocked && r.size <= oneWrite {
			var err error
			if n, err = c.write(c.loop.flat.bytes(r)); n == r.size || err != nil {
				return err
			}
		}
		c.keep(r, n)
	}
	for c.kept != nil && !c.blocked {
		n, err := c.write(c.kept.first(c.loop.buf))
		if err != nil {
			return err
		}
		if c.kept.advance(n); c.kept.size == 0 {
			c.kept = nil
		}
	}
	return nil
}

// keep holds r back, minus the n bytes already written.
func (c *Conn) keep(r *run, n int) {
	if c.kept == nil {
		c.kept = new(backlog)
	}
	c.kept.add(r, n)
}

// write writes once and notes whether the socket's buffer is full.
func (c *Conn) write(b []byte) (int, error) {
	n, err := c.server().write(c, b)
	if n > 0 {
		c.wrote = c.loop.Ticks()
	}
	if n < len(b) && err == nil || err == errAgain {
		c.blocked, err = true, nil
	}
	return n, err
}

// writable tells that the socket's buffer has room again.
func (c *Conn) writable() {
	c.blocked = false
	if c.kept != nil || c.finishing || c.awaited != notAwaited {
		c.touch()
	}
}
