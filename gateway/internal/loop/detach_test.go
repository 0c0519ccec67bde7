package loop

import (
	"net"
	"testing"
)

// given is what Detach gives.
type given struct {
	nc   net.Conn
	rest []byte
	err  error
}

// giveAway makes p Detach when it is fed, with taken bytes of that taken.
func giveAway(p *probe, taken int) <-chan given {
	gift := make(chan given, 1)
	p.onFeed = func(b []byte) int {
		p.over = true
		nc, rest, err := p.Detach(taken, b)
		gift <- given{nc, rest, err}
		return len(b)
	}
	return gift
}

func (g given) mustRest(t *testing.T, want string) net.Conn {
	t.Helper()
	if g.err != nil {
		t.Fatal(g.err)
	}
	if string(g.rest) != want {
		t.Errorf("the rest is %q, want %q", g.rest, want)
	}
	guard(t, g.nc)
	return g.nc
}

// A connection goes from the loop to somebody else, who talks over it, and comes back.
func TestDetachAndBack(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		defer keepsFiles(t)()
		var gift <-chan given
		_, c := r.open(func(p *probe) { gift = giveAway(p, 4) })
		write(t, c, []byte("headrest"))
		nc := receive(t, gift).mustRest(t, "rest")
		r.wantGone()

		write(t, c, []byte("question"))
		wantRead(t, nc, []byte("question"))
		write(t, nc, []byte("answer"))
		wantRead(t, c, []byte("answer"))

		back := r.adopt(nc, []byte("read before, "), func(p *probe) { p.Queue([]byte("welcome back")) })
		wantRead(t, c, []byte("welcome back"))
		write(t, c, []byte("and read now"))
		r.wantGot(back, []byte("read before, and read now"))
		c.Close()
		r.wantGone()
		wantOneError(t, back)
	})
}

// What was read before the connection came may be what it is given away for.
func TestDetachOfRest(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		ours, c := socketPair(t)
		var gift <-chan given
		r.adopt(ours, []byte("GET /"), func(p *probe) { gift = giveAway(p, 0) })
		nc := receive(t, gift).mustRest(t, "GET /")
		write(t, c, []byte("more"))
		wantRead(t, nc, []byte("more"))
	})
}

// Bytes that come while the connection is paused are not lost to whom it is given.
func TestDetachAfterPause(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		var gift <-chan given
		p, c := r.open(func(p *probe) {
			p.onFeed = func([]byte) int {
				p.Pause()
				gift = giveAway(p, 0)
				return 1
			}
		})
		write(t, c, []byte("abc"))
		r.wantGot(p, []byte("a"))
		write(t, c, []byte("def"))
		r.settle()
		r.do(p.Resume)
		r.settle()
		nc := receive(t, gift).mustRest(t, "bc")
		wantRead(t, nc, []byte("def"))
	})
}

// What is posted for a connection that was given away finds it gone.
func TestDetachedConnDoesNothing(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		var gift <-chan given
		p, c := r.open(func(p *probe) {
			gift = giveAway(p, 0)
			p.SetTimer(1)
			p.onTimeout = func() {}
		})
		write(t, c, []byte("x"))
		nc := receive(t, gift).mustRest(t, "x")
		r.do(func() {
			p.Queue([]byte("dropped"))
			p.Resume()
			p.Finish(0)
			p.Abort()
		})
		r.settle()
		r.stop()
		write(t, nc, []byte("still there"))
		wantRead(t, c, []byte("still there"))
	})
}

// A stream can't be given away while its goroutine writes: the bytes of two would mix.
func TestDetachOfBusyStream(t *testing.T) {
	r := start(t, plenty)
	ours, c := socketPair(t)
	var gift <-chan given
	p := &probe{t: t}
	r.loop.adoptStream(ours, nil, p.begin(func(p *probe) { gift = giveAway(p, 0) }, nil))
	r.do(func() { p.Queue(noise(4 << 20)) })
	r.settle()
	write(t, c, []byte("x"))
	if g := receive(t, gift); g.err == nil {
		t.Error("a connection was given away with bytes on their way")
	}
	r.wantGone()
}
