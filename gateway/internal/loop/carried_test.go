package loop

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"time"
)

// carriage is a Carrier that takes frames while it is open, and the Handler of its connection.
type carriage struct {
	probe
	open    bool
	carried [][]byte
	drained int
}

func (c *carriage) Carry(b []byte) bool {
	if c.open {
		c.carried = append(c.carried, slices.Clone(b))
	}
	return c.open
}

func (c *carriage) Drained() { c.drained++ }

func openCarriage(t *testing.T, r *rig) *carriage {
	t.Helper()
	c := &carriage{probe: probe{t: t}}
	r.do(func() { c.Conn = r.loop.Open(c, c) })
	return c
}

func TestCarried(t *testing.T) {
	r := start(t, plenty)
	c := openCarriage(t, r)
	r.do(func() { c.Queue([]byte("a")); c.Queue([]byte("b")) })
	r.do(func() { c.Queue([]byte("c")) })
	r.settle()
	r.do(func() {
		if c.Queued() != 3 || len(c.carried) != 0 {
			t.Errorf("%d bytes wait for a carrier that is closed, and %d pieces were carried", c.Queued(), len(c.carried))
		}
		c.open = true
		c.Writable()
	})
	r.settle()
	r.do(func() { c.Queue([]byte("d")); c.Queue([]byte("e")) })
	r.settle()
	r.do(func() {
		if got := string(bytes.Join(c.carried, []byte("|"))); got != "abc|de" || c.Queued() != 0 {
			t.Errorf("carried %q, and %d bytes wait", got, c.Queued())
		}
		if r.loop.Len() != 1 {
			t.Errorf("the loop has %d connections", r.loop.Len())
		}
		c.over = true
		c.Abort()
	})
	r.wantGone()
}

// Pieces hold whole frames however many wait: nobody could tell where to cut them.
func TestCarriedInWholeFrames(t *testing.T) {
	r := start(t, plenty)
	c := openCarriage(t, r)
	var frames [][]byte
	for i := range 40 {
		frames = append(frames, bytes.Repeat([]byte{byte('a' + i%26)}, 10_000+i))
	}
	frames = append(frames, bytes.Repeat([]byte{'!'}, 3*readBudget))
	r.do(func() {
		for _, f := range frames {
			c.Queue(f)
		}
	})
	r.do(func() { c.open = true; c.Writable() })
	r.settle()
	r.do(func() {
		for _, piece := range c.carried {
			for len(piece) > 0 && len(frames) > 0 {
				rest, whole := bytes.CutPrefix(piece, frames[0])
				if !whole {
					t.Fatalf("a piece of %d bytes does not go on with the next frame, of %d", len(piece), len(frames[0]))
				}
				piece, frames = rest, frames[1:]
			}
		}
		if len(frames) > 0 {
			t.Errorf("%d frames were not carried", len(frames))
		}
	})
}

func TestCarriedOverflow(t *testing.T) {
	r := start(t, 10)
	c := openCarriage(t, r)
	r.do(func() {
		c.onOverflow = func() { c.Queue([]byte("last")) }
		c.Queue([]byte("01234"))
	})
	r.do(func() { c.Queue([]byte("567890")) })
	r.settle()
	r.do(func() { c.open = true; c.Writable() })
	r.settle()
	r.do(func() {
		if got := string(bytes.Join(c.carried, nil)); got != "last" || c.overflows != 1 {
			t.Errorf("carried %q after %d overflows", got, c.overflows)
		}
	})
}

func TestCarriedHeardAndEnd(t *testing.T) {
	r := start(t, plenty)
	c := openCarriage(t, r)
	r.skip(time.Second)
	r.do(func() {
		if c.Heard() < time.Second {
			t.Error("nothing came, and the connection was heard")
		}
		if c.Hear(); c.Heard() != 0 {
			t.Error("Hear did nothing")
		}
	})
	r.stop()
	if len(c.ends) != 1 || !errors.Is(c.ends[0], ErrStopped) {
		t.Errorf("the end was told with %v", c.ends)
	}
}

// Who awaits the drain is told once nothing is queued, and not before. Who bounds what is queued itself is not judged
// meanwhile.
func TestAwaitDrain(t *testing.T) {
	for name, wait := range map[string]func(*Conn){"judged": (*Conn).AwaitDrain, "unjudged": (*Conn).AwaitDrainUnjudged} {
		limit := plenty
		if name == "unjudged" {
			limit = 10
		}
		t.Run(name, func(t *testing.T) {
			onAll(t, func(t *testing.T, k kind) {
				r := k.start(t, limit)
				ours, theirs := socketPair(t)
				d := &carriage{probe: probe{t: t}}
				done := make(chan struct{})
				k.adopt(r.loop, ours, nil, func(c *Conn) Handler { defer close(done); d.Conn = c; return d })
				receive(t, done)
				r.do(func() { wait(d.Conn); wait(d.Conn) })
				r.settle()
				r.do(func() {
					if d.drained != 1 {
						t.Errorf("with nothing queued, Drained was called %d times", d.drained)
					}
					d.Queue(noise(4 << 20))
					if wait(d.Conn); d.drained != 1 {
						t.Error("Drained was called from within the call of its Handler")
					}
				})
				r.settle()
				r.do(func() {
					if d.drained != 1 {
						t.Error("Drained was called with bytes queued")
					}
				})
				wantRead(t, theirs, noise(4<<20))
				r.until("Drained was called", func() bool { return d.drained == 2 })
				r.do(func() {
					if d.overflows > 0 || !d.Idle() {
						t.Errorf("%d overflows, idle: %v", d.overflows, d.Idle())
					}
				})
			})
		})
	}
}

// Who awaits the drain and lets somebody else bound what is queued is judged as ever.
func TestAwaitDrainOverflow(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		r := k.start(t, 10)
		ours, theirs := socketPair(t)
		d := &carriage{probe: probe{t: t}}
		done := make(chan struct{})
		k.adopt(r.loop, ours, nil, func(c *Conn) Handler { defer close(done); d.Conn = c; return d })
		receive(t, done)
		r.do(func() {
			d.onOverflow = func() { d.over = true; d.Abort() }
			d.AwaitDrain()
			d.Queue(noise(4 << 20))
			d.Queue(noise(4 << 20))
		})
		r.wantGone()
		io.Copy(io.Discard, theirs)
		if d.overflows != 1 || d.drained != 0 {
			t.Errorf("%d overflows, and Drained was called %d times", d.overflows, d.drained)
		}
	})
}

// Who queues a piece each time takes turns with the others, and what comes from elsewhere.
func TestAwaitDrainTakesTurns(t *testing.T) {
	l := still(t, plenty)
	var all []*pieces
	for range 3 {
		p := &pieces{carriage: carriage{probe: probe{t: t}, open: true}, left: 5}
		p.Conn = l.Open(p, p)
		p.AwaitDrain()
		all = append(all, p)
	}
	l.turn()
	for turn := range 6 {
		posted := false
		l.Post(func() { posted = true })
		if !l.hasWork() {
			t.Fatal("the loop would sleep")
		}
		l.turn()
		for i, p := range all {
			if p.drained != turn+1 || len(p.carried) != min(turn+1, 5) {
				t.Errorf("turn %d: connection %d was told %d times, and has sent %d pieces", turn, i, p.drained, len(p.carried))
			}
		}
		if !posted {
			t.Error("what was posted waits")
		}
	}
	if l.hasWork() {
		t.Error("there is something to do, and nobody waits")
	}
}

// pieces queues one each time when all has left, until none is left.
type pieces struct {
	carriage
	left int
}

func (p *pieces) Drained() {
	p.carriage.Drained()
	if p.left > 0 {
		p.left--
		p.Queue([]byte("piece"))
		p.AwaitDrain()
	}
}

// What was queued between the end of a turn and the call is waited for, too, and who has ended is not called.
func TestAwaitDrainAgain(t *testing.T) {
	l := still(t, plenty)
	d, gone := &carriage{probe: probe{t: t}, open: true}, &carriage{probe: probe{t: t}, open: true}
	d.Conn, gone.Conn = l.Open(d, d), l.Open(gone, gone)
	d.AwaitDrain()
	gone.AwaitDrain()
	l.turn()
	d.open = false
	d.Queue([]byte("more"))
	gone.Abort()
	l.turn()
	l.turn()
	if d.drained != 0 || gone.drained != 0 {
		t.Errorf("told %d times with bytes queued, and %d times after the end", d.drained, gone.drained)
	}
	d.open = true
	d.Writable()
	l.turn()
	l.turn()
	if d.drained != 1 {
		t.Errorf("told %d times when all had left", d.drained)
	}
}

// A connection goes to another loop with what has been read and what has not.
func TestMove(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		from, to := k.start(t, plenty), k.start(t, plenty)
		defer keepsFiles(t)()
		there := &probe{t: t}
		p, c := from.open(nil)
		from.do(func() {
			p.onFeed = func(b []byte) int {
				p.over = true
				if !p.Move(to.loop, 4, b, there.begin(nil, nil)) {
					t.Error("the connection is gone")
				}
				return len(b)
			}
		})
		write(t, c, []byte("headrest"))
		from.wantGone()
		to.wantGot(there, []byte("rest"))
		write(t, c, []byte(" and more"))
		to.wantGot(there, []byte("rest and more"))
		to.do(func() { there.Queue([]byte("answer")) })
		wantRead(t, c, []byte("answer"))
		c.Close()
		to.wantGone()
		wantOneError(t, there)
	})
}

// A loop that has stopped takes nothing, and leaves no descriptor behind.
func TestMoveToStoppedLoop(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		from, to := k.start(t, plenty), k.start(t, plenty)
		to.stop()
		moved := make(chan bool, 1)
		p, c := from.open(nil)
		from.do(func() {
			p.onFeed = func(b []byte) int {
				p.over = true
				moved <- p.Move(to.loop, 0, b, func(*Conn) Handler { return p })
				return len(b)
			}
		})
		write(t, c, []byte("x"))
		if receive(t, moved) {
			t.Error("a stopped loop took a connection")
		}
		from.wantGone()
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still open")
		}
	})
}

// What a Handler has left is its successor's, whenever that comes.
func TestHandleLater(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.open(nil)
		r.do(func() { p.onFeed = func([]byte) int { return 0 } })
		write(t, c, []byte("waits"))
		r.until("it has come", func() bool { return len(p.in) == 5 })
		next := &probe{t: t, Conn: p.Conn}
		r.do(func() { p.Handle(next) })
		r.wantGot(next, []byte("waits"))
	})
}

// What is dropped does not come, what comes later does.
func TestDrop(t *testing.T) {
	r := start(t, plenty)
	c := openCarriage(t, r)
	r.do(func() { c.Queue([]byte("kept back")) })
	r.settle()
	r.do(func() {
		c.Queue([]byte("queued"))
		c.Drop()
		c.Queue([]byte("later"))
		c.open = true
		c.Writable()
	})
	r.settle()
	r.do(func() {
		if got := string(bytes.Join(c.carried, nil)); got != "later" {
			t.Errorf("carried %q", got)
		}
	})
}

// The other side learns that all has come, and can still speak.
func TestCloseWrite(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.openTCP(nil)
		r.do(func() { p.Queue([]byte("all")) })
		wantRead(t, c, []byte("all"))
		r.do(func() { p.CloseWrite(); p.CloseWrite() })
		if rest := readAll(t, c); len(rest) > 0 {
			t.Errorf("%q came after all", rest)
		}
		write(t, c, []byte("thanks"))
		r.wantGot(p, []byte("thanks"))
		r.do(func() { p.over = true; p.Finish(time.Second) })
		c.Close()
		r.wantGone()
	})
}
