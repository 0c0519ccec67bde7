package loop

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrStopped reports that the loop has ended or is about to.
var ErrStopped = errors.New("loop: stopped")

// Loop is one event loop. Only Post, PostWait, Adopt, AdoptConn and Len may be called from other
// goroutines; all else belongs to the goroutine of Run.
type Loop struct {
	inbox  inbox
	poller poller
	limit  int // outbound bytes of one connection

	// Owned by the goroutine of Run.
	start   time.Time
	now     time.Duration // since start, set once a turn
	planned time.Duration // when the turn was to begin at the latest
	busy    bool          // the last look at the sockets that did not wait has found something, so the next one may, too
	deaf    time.Duration // of now: in what counts as slept of stops, nothing could be heard
	wheel   wheel
	conns   table
	todo    []func() // taken from the inbox
	next    int      // of todo: the first that has not run
	ready   []*Conn  // readable, or resumed with bytes left over
	dirty   []*Conn  // with something to write
	drained []*Conn  // that had nothing left to write, and whose Handlers want to know
	root    *run     // the empty run every connection starts a turn with
	flat    flat     // the run laid out last
	buf     []byte   // what is being read, or what is written of a long queue; borrowed for a call
	wg      sync.WaitGroup
}

// poller is how a loop waits. Its methods run on the loop, but for wake, which any goroutine may call until the loop has stopped.
type poller interface {
	arm(timeout time.Duration) error // how long the next sleep may be (negative: for ever); undoes the wakes before
	wake()                           // ends the sleep, or the next one that is armed
	sleep() error                    // waits as long as armed, and marks what has come
	collect() error                  // marks it without waiting
	close()
}

// New makes a loop that lets limit bytes wait for a client that does not read; see Handler.Overflow.
func New(limit int) (*Loop, error) {
	l := newLoop(limit)
	var err error
	if l.poller, err = newPoller(l); err != nil {
		return nil, err
	}
	return l, nil
}

func newLoop(limit int) *Loop {
	return &Loop{limit: limit, start: time.Now(), planned: forever, root: &run{}, buf: make([]byte, readBudget)}
}

// Limit returns how many bytes may wait for one connection.
func (l *Loop) Limit() int { return l.limit }

// Run serves until ctx ends. Then it closes what connections are left, telling their handlers
// ErrStopped, and returns when all goroutines of the loop have ended. It must be called once, also
// for a loop that is no longer wanted: it gives the loop's descriptors back.
func (l *Loop) Run(ctx context.Context) error {
	defer l.poller.close()
	defer l.inbox.wakers.Wait()
	defer l.wg.Wait()
	defer l.stop()
	// A task can't be missed, as a bare wake could be by a loop that is about to sleep.
	defer context.AfterFunc(ctx, func() { l.Post(func() {}) })()
	for ctx.Err() == nil {
		if err := l.wait(); err != nil {
			return err
		}
		l.turn()
	}
	return nil
}

// begin makes c a connection of the loop. rest is fed first.
func (l *Loop) begin(c *Conn, rest []byte, newHandler func(*Conn) Handler) {
	c.loop, c.heard, c.wrote = l, l.Listened(), l.Ticks()
	l.conns.add(c)
	h := newHandler(c)
	if c.finishing || c.closed {
		return
	}
	c.handler = h
	if len(rest) > 0 {
		c.in, c.again = rest, true
		c.enqueue()
	}
}

// stop ends every connection and refuses new ones.
func (l *Loop) stop() {
	for _, task := range append(l.todo[l.next:], l.inbox.close()...) {
		task() // adopts and closes what was handed over last; nothing waits for ever on a lost task
	}
	l.flush()
	for _, c := range l.conns.all() {
		c.fail(ErrStopped)
	}
	l.flush()
}

// Post hands fn to the loop and returns at once. It is for callers that are bounded by themselves,
// such as one task for a paused session; it reports false when the loop has stopped and fn will
// not run.
func (l *Loop) Post(fn func()) bool {
	asleep, ok := l.inbox.put(fn)
	if asleep {
		l.wake()
	}
	return ok
}

// PostWait is Post for producers that have no end: it waits while the inbox is full, until ctx ends.
// The loop itself must not call it.
func (l *Loop) PostWait(ctx context.Context, fn func()) error {
	asleep, err := l.inbox.putWait(ctx, fn)
	if asleep {
		l.wake()
	}
	return err
}

// wake is for the one that the inbox has told to.
func (l *Loop) wake() {
	l.poller.wake()
	l.inbox.wakers.Done()
}

// Now is the time of this turn, from an arbitrary beginning.
func (l *Loop) Now() time.Duration { return l.now }

// In is Now in d from now; 0, which stands for never, if d is 0.
func (l *Loop) In(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return l.now + d
}

// Len is the number of connections that the loop owns. Any goroutine may ask.
func (l *Loop) Len() int { return int(l.conns.len.Load()) }

// Each calls fn for every connection of the loop.
func (l *Loop) Each(fn func(*Conn)) {
	for _, c := range l.conns.all() {
		fn(c)
	}
}

// Ticks is Now in four bytes, for Since.
func (l *Loop) Ticks() uint32 { return uint32(l.now / tick) }

// Since is how long ago Ticks was that.
func (l *Loop) Since(ticks uint32) time.Duration { return time.Duration(l.Ticks()-ticks) * tick }

// Listened is Ticks without the sleeps in which the process was stopped, for Silence.
func (l *Loop) Listened() uint32 { return uint32((l.now - l.deaf) / tick) }

// Silence is for how long the loop could hear somebody since Listened was that.
func (l *Loop) Silence(listened uint32) time.Duration {
	return time.Duration(l.Listened()-listened) * tick
}
