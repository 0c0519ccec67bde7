package loop

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// The end can be seen before the bytes that came first have been read.
func TestClosedByPeerWithMuchUnread(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		ours, c := tcpPair(t)
		want := noise(3*readBudget + 7)
		write(t, c, want)
		c.Close()
		p := r.adopt(ours, nil, nil)
		r.wantGone()
		r.wantGot(p, want)
		r.wantEnds(p, io.EOF)
	})
}

// A client may ask, close its half, and wait for the answer, which need not fit the socket's buffer.
func TestAnswersAfterEnd(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for _, size := range []int{10, 2 << 20} {
			r := k.start(t, plenty)
			ours, c := socketPair(t)
			write(t, c, []byte("ask"))
			c.CloseWrite()
			answer := noise(size)
			p := r.adopt(ours, nil, func(p *probe) {
				p.onFeed = func(b []byte) int {
					p.Queue(answer)
					return len(b)
				}
			})
			r.until("the end has been told", func() bool { return len(p.ends) > 0 })
			wantSame(t, readAll(t, c), answer)
			r.wantGone()
			r.wantEnds(p, io.EOF)
			r.stop()
		}
	})
}

func TestAnswersAfterEndHaveATime(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.openTCP(nil)
		r.do(func() { p.Queue(make([]byte, 16<<20)) })
		c.CloseWrite()
		r.until("the end has been told", func() bool { return len(p.ends) > 0 })
		r.skip(eofLinger + tick)
		r.wantGone()
		r.wantEnds(p, io.EOF)
		wantReset(t, c)
	})
}

func TestResetByPeer(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.openTCP(nil)
		c.SetLinger(0)
		c.Close()
		r.wantGone()
		wantOneError(t, p)
	})
}

// A client that sends its last frame and leaves with bytes of ours unread resets the connection. The
// loop may find out by a write, and the frame has arrived all the same.
func TestLastFrameBeforeReset(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for _, size := range []int{4, 30_000} { // all of it in the receive window
			r := k.start(t, plenty)
			p, c := r.openTCP(nil)
			last := noise(size)
			r.do(func() { p.Queue([]byte("never read")) })
			r.settle()
			r.do(func() {
				write(t, c, last)
				c.SetLinger(0)
				c.Close()
				p.Queue([]byte("to nobody")) // this turn writes before another one reads
			})
			r.wantGone()
			r.wantGot(p, last)
			wantOneError(t, p)
			r.stop()
		}
	})
}

func TestWriteErrorWhilePaused(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.openTCP(nil)
		r.do(func() {
			p.Pause()
			write(t, c, []byte("last"))
			c.SetLinger(0)
			c.Close()
			p.Queue([]byte("to nobody"))
		})
		r.until("the write has failed", func() bool { return p.mute })
		r.do(func() {
			if p.Queue([]byte("dropped")); p.Queued() > 0 {
				t.Error("something is queued for a client that can't be written to")
			}
		})
		r.wantEnds(p)
		r.do(p.Resume)
		r.wantGone()
		r.wantGot(p, []byte("last"))
	})
}

func TestWriteErrorWhileFinishing(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.openTCP(nil)
		r.do(func() { p.Queue(make([]byte, 16<<20)); p.finish(time.Hour) })
		r.settle()
		c.SetLinger(0)
		c.Close()
		r.wantGone()
	})
}

// However much it is: a client that is being sent its last bytes is not judged by them.
func TestFinishSendsAllFirst(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for _, size := range []int{0, 10, 2 << 20} {
			r := k.start(t, 1000)
			p, c := r.open(nil)
			want := noise(size)
			r.do(func() {
				if size > 0 {
					p.Queue(want)
				}
				p.finish(time.Hour)
				p.Queue([]byte("too late"))
				p.SetTimer(time.Nanosecond)
				p.Pause()
				p.Handle(p)
				if p.Handler() != nil {
					t.Error("a finished connection has a Handler")
				}
			})
			wantSame(t, readAll(t, c), want)
			r.settle()
			if r.loop.Len() != 1 {
				t.Error("the connection is gone before the other side has closed")
			}
			c.Close()
			r.wantGone()
			r.stop()
		}
	})
}

// A socket that is closed with bytes unread resets the connection, and the client loses what is on
// its way to it.
func TestFinishThrowsAwayWhatIsUnread(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.open(func(p *probe) { p.Pause() })
		write(t, c, noise(100_000))
		r.do(func() {
			p.Queue([]byte("answer"))
			p.finish(time.Hour)
		})
		write(t, c, noise(1<<20)) // more than fits: it is read
		wantSame(t, readAll(t, c), []byte("answer"))
		c.Close()
		r.wantGone()
		if len(p.got) > 0 {
			t.Errorf("%d bytes were fed after Finish", len(p.got))
		}
	})
}

func TestFinishWithinFeed(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.open(func(p *probe) {
			p.onFeed = func(b []byte) int {
				p.Queue([]byte("bye"))
				p.finish(time.Hour)
				return 1
			}
		})
		write(t, c, []byte("abc"))
		wantSame(t, readAll(t, c), []byte("bye"))
		write(t, c, []byte("def"))
		c.Close()
		r.wantGone()
		r.wantGot(p, []byte("a"))
	})
}

func TestFinishLingers(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for _, size := range []int{1, 16 << 20} { // with all sent, or not
			r := k.start(t, plenty)
			p, c := r.openTCP(nil)
			r.do(func() {
				p.Queue(noise(size))
				p.finish(time.Hour)
			})
			r.skip(50 * time.Minute)
			r.settle()
			if r.loop.Len() != 1 {
				t.Error("the connection is gone before its time")
			}
			r.skip(11 * time.Minute)
			r.wantGone()
			if size > 1 {
				wantReset(t, c)
			}
			r.stop()
		}
	})
}

func TestFinishTwice(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.open(nil)
		r.do(func() {
			p.finish(time.Hour)
			p.finish(time.Minute)
		})
		r.skip(10 * time.Minute)
		r.settle()
		if r.loop.Len() != 1 {
			t.Error("a second Finish has changed the linger")
		}
		readAll(t, c)
		c.Close()
		r.wantGone()
		r.do(func() { p.finish(0) })
	})
}

func TestAbort(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.openTCP(nil)
		r.do(func() {
			p.Queue([]byte("never sent"))
			p.abort()
			p.abort()
			p.Queue([]byte("dropped"))
			p.SetTimer(time.Nanosecond)
			p.Resume()
			p.Handle(p)
			if r.loop.Len() != 0 || p.Handler() != nil {
				t.Error("an aborted connection is still there, or its Handler")
			}
		})
		r.skip(time.Second)
		r.settle()
		got, err := io.ReadAll(c)
		if len(got) > 0 || err == nil {
			t.Errorf("the client has read %q, %v; want a reset", got, err)
		}
	})
}

func TestAbortWithinFeed(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.open(func(p *probe) {
			p.onFeed = func([]byte) int { p.abort(); return 1 }
		})
		write(t, c, []byte("abc"))
		r.wantGone()
		r.wantGot(p, []byte("a"))
	})
}

// What makes the Handler may end the connection at once.
func TestEndWithinAdopt(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		_, c := r.open(func(p *probe) { p.abort() })
		if got, _ := io.ReadAll(c); len(got) > 0 {
			t.Errorf("read %q", got)
		}
		r.wantGone()

		p, c := r.open(func(p *probe) {
			p.Queue([]byte("full"))
			p.finish(time.Hour)
		})
		write(t, c, []byte("too late"))
		wantSame(t, readAll(t, c), []byte("full"))
		r.wantGot(p, nil)
		c.Close()
		r.wantGone()
	})
}

// Closed may do what other calls of a Handler may.
func TestEndWithinClosed(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		for _, end := range []func(*Conn){(*Conn).Abort, func(c *Conn) { c.Finish(0) }} {
			r := k.start(t, plenty)
			p, c := r.open(nil)
			r.do(func() { p.Handle(&ender{probe: p, end: end}) })
			c.Close()
			r.wantGone()
			r.stop()
			wantOneError(t, p)
		}
	})
}

type ender struct {
	*probe
	end func(*Conn)
}

func (e *ender) Closed(err error) {
	e.end(e.Conn)
	e.probe.Closed(err)
	e.Queue([]byte("dropped"))
	e.Resume()
}

// wantOneError wants Closed to have been called once, whatever the error was. The loop has no part of
// p any more.
func wantOneError(t *testing.T, p *probe) {
	t.Helper()
	if len(p.ends) != 1 || p.ends[0] == nil {
		t.Errorf("Closed was called with %v, want one error", p.ends)
	}
}

// farewellOf ends a connection in memory, on virtual time, with last queued for its client, and hands
// the client to read.
func farewellOf(t *testing.T, last []byte, read func(client net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		l := NewPortable(plenty)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		client, server := net.Pipe()
		l.AdoptConn(server, nil, func(c *Conn) Handler {
			p := &probe{t: t, Conn: c}
			for piece := range slices.Chunk(last, 64<<10) {
				p.Queue(piece)
			}
			p.finish(time.Second)
			return p
		})
		read(client)
		synctest.Wait()
		if n := l.Len(); n != 0 {
			t.Errorf("the loop still has %d connections", n)
		}
		cancel()
		<-ended
		client.Close()
	})
}

// A client that reads slowly gets all that was queued, one that stops gets nothing after that, and none
// keeps its connection for ever.
func TestFinishWaitsForSlowReaders(t *testing.T) {
	last := noise(2 << 20)
	t.Run("slow", func(t *testing.T) {
		farewellOf(t, last, func(client net.Conn) {
			var got []byte
			for buf := make([]byte, 64<<10); ; time.Sleep(800 * time.Millisecond) {
				n, err := io.ReadFull(client, buf)
				got = append(got, buf[:n]...)
				if err != nil {
					break
				}
			}
			wantSame(t, got, last)
		})
	})
	t.Run("stopped", func(t *testing.T) {
		farewellOf(t, last, func(client net.Conn) {
			got := make([]byte, 1<<20)
			io.ReadFull(client, got)
			time.Sleep(3 * time.Second)
			rest, _ := io.ReadAll(client)
			wantSame(t, append(got, rest...), last[:len(got)])
		})
	})
	t.Run("too slow", func(t *testing.T) {
		last := noise(4 << 20)
		farewellOf(t, last, func(client net.Conn) {
			began := time.Now()
			var got []byte
			for buf := make([]byte, 64<<10); ; time.Sleep(900 * time.Millisecond) {
				n, err := io.ReadFull(client, buf)
				if got = append(got, buf[:n]...); err != nil {
					break
				}
			}
			if d := time.Since(began); d < 28*time.Second || d > longestFarewell+2*time.Second {
				t.Errorf("it was given %s", d)
			}
			wantSame(t, got, last[:len(got)])
		})
	})
}

// Where the system says what it still has of a descriptor's output, that counts.
func TestFinishLooksIntoTheSystem(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.openTCP(nil)
		last := noise(64 << 20) // far more than both sides' systems hold
		var f *farewell
		r.do(func() {
			p.Queue(last)
			p.finish(time.Hour)
			f = p.handler.(*farewell)
			f.until = forever
		})
		r.until("the system is full", func() bool { return p.blocked })
		for range 2 {
			before := 0
			r.do(func() { before = f.unsent })
			wantRead(t, c, last[:4<<20])
			last = last[4<<20:]
			r.until("it has gone on", func() bool { return p.Outstanding() < before })
			r.do(func() {
				if f.Timeout(); p.closed {
					t.Error("a client that takes what is sent is given up")
				}
			})
		}
		r.until("one that does not take it is given up", func() bool { f.Timeout(); return p.closed })
		r.wantGone()
		wantReset(t, c)
	})
}
