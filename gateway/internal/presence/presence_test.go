package presence

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/registry"
)

// pass lets time go by, and all that is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func inBubble(t *testing.T, test func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newCluster(t)) })
}

// TestPicture: who looks is told who is there, on whatever node, and then who comes, goes and changes.
func TestPicture(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		one.come(1, "7")
		two.come(1, `"bob"`)
		two.come(2, "")
		pass(time.Second)
		viewers := []*watcher{one.view(0, false), one.view(1, false), two.view(0, false)}
		pass(time.Second)
		want := func(log ...string) {
			t.Helper()
			for _, w := range viewers {
				w.want(log...)
			}
		}
		want(`here "bob",7 2+1`)
		two.come(3, "8")
		pass(time.Second)
		want("joined 8 3+1")
		one.come(9, "8") // another tab of his, on another node
		two.leave(3, "8")
		pass(10 * time.Second)
		want()
		one.Go(lobby, 9, "8")
		one.Come(lobby, 9, "8", []byte(`{"name":"other"}`), false)
		pass(time.Second)
		want("changed 8 3+1")
		one.leave(9, "8")
		pass(4 * time.Second)
		want()
		pass(2 * time.Second)
		want("left 8 2+1")
		two.leave(2, "")
		pass(time.Second)
		want("count  2+0")
	})
}

// TestReload: who comes back within the grace, on another node too, has not left.
func TestReload(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		one.come(1, "7")
		w := two.view(0, false)
		pass(time.Second)
		w.want("here 7 1+0")
		one.leave(1, "7")
		pass(4 * time.Second)
		two.come(1, "7")
		pass(20 * time.Second)
		w.want()
	})
}

// TestDeath: who was on a node that is no more leaves once, after the grace; who is back on another one does not.
func TestDeath(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		one.come(1, "7")
		one.come(2, "8")
		one.come(3, "")
		w := two.view(0, false)
		pass(time.Second)
		w.want("here 7,8 2+1")
		c.set(func() { delete(c.nodes, one.name.String()) })
		two.come(5, "8")
		pass(2 * time.Second)
		w.want("count  2+0")
		one.come(4, "9") // it lives, but nobody knows it
		pass(10 * time.Second)
		w.want("left 7 1+0")
		c.set(func() { c.nodes[one.name.String()] = one }) // it was frozen
		pass(2 * time.Second)
		w.want("joined 7,9 3+1")
	})
}

// TestStop: who leaves with a node that stops is told of before it ends.
func TestStop(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(func(o *Options) { o.Grace = 0 }), c.start(func(o *Options) { o.Grace = 0 })
		one.come(1, "7")
		w := two.view(0, false)
		pass(time.Second)
		w.want("here 7 1+0")
		one.leave(1, "7")
		one.stop()
		pass(500 * time.Millisecond)
		w.want("left 7 0+0")
	})
}

// TestSilentNode: a view begins without a node that does not answer, and its people come when it does.
func TestSilentNode(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		one.come(1, "7")
		two.come(1, "8")
		c.set(func() { c.silent[one.name.String()] = true })
		w := two.view(0, false)
		pass(2 * time.Second)
		w.want()
		pass(2 * time.Second)
		w.want("here 8 1+0")
		c.set(func() { c.silent[one.name.String()] = false })
		pass(4 * time.Second)
		w.want("joined 7 2+0")
	})
}

// TestPaused: while nobody knows which nodes there are, viewers are told so, and then everything anew.
func TestPaused(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		one.come(1, "7")
		w, n := two.view(0, false), two.view(1, true)
		pass(time.Second)
		w.want("here 7 1+0")
		n.want("count  1+0")
		c.set(func() { c.away = errors.New("away") })
		pass(3 * time.Second)
		w.want("paused  0+0")
		n.want("paused  0+0")
		one.come(2, "8")
		late := two.view(1, false)
		pass(10 * time.Second)
		w.want()
		late.want("paused  0+0")
		c.set(func() { c.away = nil })
		pass(5 * time.Second)
		w.want("here 7,8 2+0")
		late.want("here 7,8 2+0")
		n.want("count  2+0")
	})
}

// TestPausedAtFirst: a view that begins without Redis says so at once.
func TestPausedAtFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one := c.start()
		c.set(func() { c.away = errors.New("away") })
		w := one.view(0, false)
		pass(time.Second)
		w.want("paused  0+0")
		c.set(func() { c.away = nil })
		pass(2 * time.Second)
		w.want("here  0+0")
	})
}

// TestEmptiedRedis: a node that is missing right after Redis was away is not taken for dead.
func TestEmptiedRedis(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		one.come(1, "7")
		w := two.view(0, false)
		pass(time.Second)
		w.want("here 7 1+0")
		c.set(func() { c.away = errors.New("away") })
		pass(3 * time.Second)
		c.set(func() { c.away = nil; delete(c.nodes, one.name.String()) })
		pass(5 * time.Second)
		c.set(func() { c.nodes[one.name.String()] = one })
		pass(20 * time.Second)
		w.want("paused  0+0", "here 7 1+0")
	})
}

// TestTooMany: beyond the limit nobody is listed, and all can be counted.
func TestTooMany(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		limit := func(o *Options) { o.Limit = 20 }
		one, two := c.start(limit), c.start(limit)
		for i := range 20 {
			one.come(i, fmt.Sprint(100+i))
		}
		w, n := two.view(0, false), two.view(0, true)
		pass(time.Second)
		if got := w.since(); len(got) != 1 {
			t.Fatalf("got %q", got)
		}
		n.want("count  20+0")
		two.come(1, "7") // one more, on another node: together they are too many
		pass(time.Second)
		w.want()
		n.want("count  21+0")
		if !slices.Equal(w.ended, []error{errTooMany}) {
			t.Errorf("ended with %v", w.ended)
		}
		late := two.view(1, false)
		pass(time.Second)
		if !slices.Equal(late.told, []error{errTooMany}) {
			t.Errorf("told %v", late.told)
		}
		for i := range 20 {
			one.come(100+i, fmt.Sprint(200+i)) // a node has more than it lists
		}
		pass(time.Second)
		n.want("count  41+0")
		for i := range 20 {
			one.leave(i, fmt.Sprint(100+i))
			one.leave(100+i, fmt.Sprint(200+i))
		}
		pass(10 * time.Second)
		n.want("count  1+0")
		again := one.view(1, false)
		pass(time.Second)
		again.want("here 7 1+0")
	})
}

// TestCountsOnly: a room whose rule counts lists nobody, and two numbers a second are all that is told.
func TestCountsOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		n := two.view(0, true)
		pass(time.Second)
		n.want("count  0+0")
		for i := range 50 {
			one.Come(lobby, registry.SessionID(i), fmt.Sprint(i), nil, true)
			one.Come(lobby, registry.SessionID(100+i), "", nil, true)
			pass(100 * time.Millisecond)
		}
		pass(time.Second)
		if got := n.since(); len(got) > 12 || got[len(got)-1] != "count  50+50" {
			t.Errorf("got %q", got)
		}
		if got := one.Presence.Present([]string{lobby}, false); len(got) != 1 || !got[0].Many || got[0].Members != nil || got[0].Count != 50 {
			t.Errorf("got %+v", got)
		}
	})
}

// TestRuleChanges: members are listed again once the rule does.
func TestRuleChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		one.come(1, "7")
		w := two.view(0, false)
		pass(time.Second)
		one.leave(1, "7")
		one.Come(lobby, 1, "7", nil, true)
		pass(time.Second)
		w.want("here 7 1+0")
		if !slices.Equal(w.ended, []error{errTooMany}) {
			t.Errorf("ended with %v", w.ended)
		}
		one.Go(lobby, 1, "7")
		one.come(1, "7")
		pass(time.Second)
		w = two.view(0, false)
		pass(time.Second)
		w.want("here 7 1+0")
	})
}

// TestParts: what is larger than a message comes in parts, none of which is too large.
func TestParts(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		small := func(o *Options) { o.Message = 1 << 10 }
		one := c.start(small)
		for i := range 100 {
			one.come(i, fmt.Sprint(1000+i))
		}
		pass(time.Second)
		w := one.view(0, false)
		pass(time.Second)
		if got := w.since(); len(got) < 4 || len(w.people) != 100 {
			t.Errorf("%d parts with %d members", len(got), len(w.people))
		}
		for i := range 100 {
			one.leave(i, fmt.Sprint(1000+i))
		}
		pass(10 * time.Second)
		if got := w.since(); len(got) < 2 || len(w.people) != 0 {
			t.Errorf("%d parts, and %d members are left", len(got), len(w.people))
		}
	})
}

// TestUnview: who has gone hears nothing, whenever that was, and a view that nobody looks at ends.
func TestUnview(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one := c.start()
		early, late := one.view(0, false), one.view(0, false)
		early.end()
		pass(time.Second)
		if early.told != nil {
			t.Errorf("told %v", early.told)
		}
		late.want("here  0+0")
		late.end()
		late.end()
		one.come(1, "7")
		pass(time.Second)
		late.want()
		if f := one.Figures(); f.Viewers != 0 || f.Views != 1 || f.Rooms != 1 || f.Members != 1 {
			t.Errorf("figures %+v", f)
		}
		one.leave(1, "7")
		pass(20 * time.Second)
		if f := one.Figures(); f.Views != 0 || f.Rooms != 0 || f.Members != 0 {
			t.Errorf("figures %+v", f)
		}
		for i := range one.loops {
			one.do(i, func(l *router.Local) {
				if n := l.Count("/presence" + lobby); n != 0 {
					t.Errorf("%d are left in the table", n)
				}
			})
		}
	})
}

// TestOneQuestion: many viewers of many rooms cost one question to each node.
func TestOneQuestion(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one, two := c.start(), c.start()
		one.come(1, "7")
		for range 100 {
			two.view(0, false)
			two.viewOf(1, "/topic/other", true)
		}
		pass(5 * time.Second)
		if n := c.asked[one.name.String()]; n > 2 {
			t.Errorf("%d questions", n)
		}
		if f := two.Figures(); f.Viewers != 200 || f.Views != 2 {
			t.Errorf("figures %+v", f)
		}
	})
}

// TestSleep: a tick is due while there is something to tell or to look at, then for the digests of the last change, and then none.
func TestSleep(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		p := New(c.start().o)
		r := p.newRun(t.Context())
		at := time.Now()
		want := func(after time.Duration) {
			t.Helper()
			due := r.next(at)
			if after == 0 && !due.IsZero() || after != 0 && due.Sub(at) != after {
				t.Errorf("due is %v, want in %v", due, after)
			}
		}
		turn := func(after time.Duration) {
			at = at.Add(after)
			r.tick(at)
		}
		want(0)
		p.Come(lobby, 1, "7", nil, false)
		want(tick)
		turn(tick)
		for range beatsTold {
			want(beatEvery)
			turn(beatEvery)
		}
		want(0)
		s := &router.Subscription{Destination: "/presence" + lobby}
		p.View(r.o.Router.Local(0), s, lobby, false, func(error) {}, func(error) {})
		want(tick)
		p.Unview(r.o.Router.Local(0), s)
		turn(tick)
		want(tick) // it lingers
		turn(linger)
		want(0)
	})
}

// TestLingering: who looks at one room after the other does not have the node keep all of them up.
func TestLingering(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		one := c.start()
		const rooms = 2 * lingering
		for i := range rooms {
			one.viewOf(0, fmt.Sprintf("/topic/%d", i), false).end()
		}
		pass(time.Second)
		if f := one.Figures(); f.Viewers != 0 || f.Views != lingering {
			t.Errorf("figures %+v", f)
		}
		pass(2 * linger)
		if f := one.Figures(); f.Views != 0 {
			t.Errorf("figures %+v", f)
		}
	})
}
