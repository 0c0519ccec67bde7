package loop

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"
)

func TestTurnRunsSomeTasks(t *testing.T) {
	l := still(t, plenty)
	ran := 0
	for range turnTasks + 10 {
		l.Post(func() { ran++ })
	}
	l.turn()
	if ran < 16 || ran > turnTasks { // fewer than turnTasks if they take long
		t.Errorf("a turn has run %d tasks, want %d at most", ran, turnTasks)
	}
	for ran < turnTasks+10 {
		if err := l.wait(); err != nil { // it would hang if the loop could sleep with tasks left
			t.Fatal(err)
		}
		l.turn()
	}
	if len(l.todo) != 0 || l.todo[:1][0] != nil {
		t.Error("the tasks that have run are still remembered")
	}
}

// A loop that is told to end just before it sleeps must not miss it.
func TestRunEndsAtOnce(t *testing.T) {
	for range 1000 {
		l, err := New(plenty)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := l.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		cancel()
		wg.Wait()
	}
}

func TestStopEndsEverything(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		defer keepsFiles(t)()
		r := k.start(t, plenty)
		var probes []*probe
		var clients []client
		open := func(setup func(p *probe)) *probe {
			p, c := r.open(setup)
			probes, clients = append(probes, p), append(clients, c)
			return p
		}
		open(nil)
		open(func(p *probe) { p.Pause() })
		open(func(p *probe) { p.Queue(make([]byte, 16<<20)) })
		open(func(p *probe) { p.SetTimer(time.Hour) })
		finished := open(func(p *probe) { p.Queue(make([]byte, 16<<20)) })
		r.do(func() { finished.finish(time.Hour) })
		r.stop()
		for i, p := range probes {
			switch {
			case p == finished:
				if len(p.ends) != 0 {
					t.Errorf("Closed was called after Finish: %v", p.ends)
				}
			case len(p.ends) != 1 || p.ends[0] != ErrStopped:
				t.Errorf("connection %d: Closed was called with %v, want ErrStopped", i, p.ends)
			}
			io.Copy(io.Discard, clients[i]) // it ends, in peace or not
			clients[i].Close()
		}
		if r.loop.Len() != 0 {
			t.Errorf("%d connections are left", r.loop.Len())
		}
	})
}

func TestAdoptAfterStop(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		defer keepsFiles(t)()
		r := k.start(t, plenty)
		r.stop()
		for _, rest := range [][]byte{nil, []byte("rest")} {
			ours, c := socketPair(t)
			if k.adopt(r.loop, ours, rest, func(*Conn) Handler { t.Error("a stopped loop wants a Handler"); return nil }) {
				t.Error("a stopped loop has taken a connection")
			}
			readAll(t, c)
			c.Close()
		}
	})
}

// What is handed over while the loop ends is closed, not lost.
func TestAdoptWhileStopping(t *testing.T) {
	onAll(t, func(t *testing.T, k kind) {
		defer keepsFiles(t)()
		l, err := New(plenty)
		if err != nil {
			t.Fatal(err)
		}
		ours, c := socketPair(t)
		p := &probe{t: t}
		if !k.adopt(l, ours, []byte("rest"), p.begin(func(p *probe) { p.Queue([]byte("welcome")) }, nil)) {
			t.Fatal("a loop that has not begun takes no connection")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(p.ends) != 1 || p.ends[0] != ErrStopped {
			t.Errorf("Closed was called with %v, want ErrStopped", p.ends)
		}
		io.Copy(io.Discard, c)
		c.Close()
	})
}

func TestEach(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		want := map[*Conn]bool{}
		for range 10 {
			p, _ := r.open(nil)
			want[p.Conn] = true
		}
		r.do(func() {
			r.loop.Each(func(c *Conn) {
				if !want[c] || c.Loop() != r.loop {
					t.Error("Each has brought a connection twice, or a strange one")
				}
				delete(want, c)
				c.Abort() // it may
			})
		})
		if len(want) != 0 || r.loop.Len() != 0 {
			t.Errorf("Each has missed %d connections", len(want))
		}
	})
}

func TestRemote(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, c := r.openTCP(nil)
		other, there := r.open(nil)
		r.do(func() {
			if got, want := p.Remote().String(), c.LocalAddr().String(); got != want {
				t.Errorf("the other side is %s, want %s", got, want)
			}
			if local := there.LocalAddr(); local.Network() == "unix" && other.Remote().IsValid() {
				t.Errorf("a socket without an address has %s", other.Remote())
			}
		})
	})
}

// TestChurn opens, uses and closes many connections, in all the ways in which they end.
func TestChurn(t *testing.T) {
	const conns, parallel = 5000, 50
	onAll(t, func(t *testing.T, k kind) {
		defer keepsFiles(t)()
		r := k.start(t, plenty)
		var clients sync.WaitGroup
		for range parallel {
			clients.Go(func() {
				for i := range conns / parallel {
					churn(t, r, k, i)
				}
			})
		}
		clients.Wait()
		r.wantGone()
		r.do(func() {
			if n := len(r.loop.conns.slots); n > conns/2 {
				t.Errorf("%d slots for %d connections at a time", n, parallel)
			}
			if r.loop.wheel.count != 0 {
				t.Errorf("%d timers are left", r.loop.wheel.count)
			}
		})
		r.stop()
	})
}

// churn has one connection say something and end.
func churn(t *testing.T, r *rig, k kind, way int) {
	ours, c := socketPair(t)
	defer c.Close()
	p := &probe{t: t}
	k.adopt(r.loop, ours, nil, p.begin(func(p *probe) {
		p.SetTimer(time.Hour)
		p.onFeed = func(b []byte) int {
			p.Queue([]byte("pong"))
			if way%3 == 1 {
				p.finish(time.Hour)
			}
			return len(b)
		}
	}, nil))
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Error(err)
	}
	switch way % 3 {
	case 1:
		if _, err := io.ReadAll(c); err != nil {
			t.Error(err)
		}
	case 2:
		r.loop.Post(p.abort)
		io.Copy(io.Discard, c) // it ends
	}
}
