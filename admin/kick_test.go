package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// outcomes reads the results to their end.
func outcomes(t *testing.T, results iter.Seq2[admin.Result, error]) map[string]admin.Outcome {
	t.Helper()
	out := map[string]admin.Outcome{}
	for r, err := range results {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := out[r.Session.Key]; twice {
			t.Errorf("%s has two results", r.Session.Key)
		}
		out[r.Session.Key] = r.Outcome
	}
	return out
}

// list reads a walk to its end.
func list(t *testing.T, sessions iter.Seq2[admin.Session, error]) (all []admin.Session) {
	t.Helper()
	for s, err := range sessions {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func wantOutcomes(t *testing.T, got, want map[string]admin.Outcome) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestKick(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		a, b := two(t, m)
		c := admin.NewCluster(m, patience)
		all := list(t, c.Sessions(t.Context(), admin.Filter{}, ""))
		b.gw.do(func(g *sham) { delete(g.sessions, 2) }) // it has just ended
		foreign := admin.Session{Key: "1/x_7d5c", Node: "1/x", ID: "7d5c", Member: json.RawMessage("42")}
		how := admin.Kick{Kick: gateway.Kick{Reason: "closing time", Code: 4711}}
		got := outcomes(t, c.Kick(t.Context(), admin.Walk(append(all, foreign)), how))
		wantOutcomes(t, got, map[string]admin.Outcome{
			a1: admin.Kicked, a2: admin.Kicked, b2: admin.Gone, b3: admin.Kicked, foreign.Key: admin.Silent,
		})
		inRedis(t, m, 1) // what had ended without the registry being told
		for _, n := range []*node{a, b} {
			n.gw.do(func(g *sham) {
				if len(g.kicks) != 1 || g.kicks[0].how != (gateway.Kick{Reason: "closing time", Code: 4711}) {
					t.Errorf("node %s was told %+v", n.name, g.kicks)
				}
			})
		}
		if blocks, err := c.Blocks(t.Context()); err != nil || len(blocks) > 0 {
			t.Errorf("%v are blocked, %v", blocks, err)
		}
	})
}

// TestKickMany: more sessions than one request can name, while they are walked. It is asked of Redis itself: miniredis takes
// seconds for a walk over more than a thousand keys.
func TestKickMany(t *testing.T) {
	for _, layout := range []redisregistry.Layout{redisregistry.Hashes, redisregistry.Keys} {
		t.Run(string(layout), func(t *testing.T) {
			m := sessionMap(t, servers.Redis(t).Addr, layout)
			a, b := startNode(t, m, nodeA), startNode(t, m, nodeB)
			const each = 800
			for id := range registry.SessionID(each) {
				a.has(id, "", "tcp")
				b.has(id, "", "tcp")
			}
			inRedis(t, m, 2*each)
			c := admin.NewCluster(m, patience)
			kicked := map[string]bool{}
			for r, err := range c.Kick(t.Context(), c.Sessions(t.Context(), admin.Filter{}, ""), admin.Kick{}) {
				if err != nil || r.Outcome != admin.Kicked && !kicked[r.Session.Key] { // Redis may give a session of the layout Keys twice
					t.Fatal(r, err)
				}
				kicked[r.Session.Key] = true
			}
			if len(kicked) != 2*each {
				t.Errorf("%d results", len(kicked))
			}
			inRedis(t, m, 0)
		})
	}
}

// TestKickOfASilentNode: the others are kicked all the same, and the node is waited for once.
func TestKickOfASilentNode(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	a, b := two(t, m)
	b.leave()
	b.gw.do(func(g *sham) { g.fails = errors.New("never asked") })
	c := admin.NewCluster(m, impatience)
	all := onlyThere(1100, a, b) // three requests
	count := map[string]int{}
	for r, err := range c.Kick(t.Context(), admin.Walk(all), admin.Kick{}) {
		if err != nil {
			t.Fatal(err)
		}
		count[r.Session.Node+" "+string(r.Outcome)]++
	}
	// Node a may be slower than the patience of this test, but not for ever.
	if count[nodeB+" node silent"] != 1100 || count[nodeA+" kicked"]+count[nodeA+" node silent"] != 1100 {
		t.Errorf("%v", count)
	}
	if got := c.Silent(); !slices.Contains(got, nodeB) {
		t.Errorf("%q are silent", got)
	}
}

// TestKickAndBlock: members are kept out before their sessions end, and all nodes know by then.
func TestKickAndBlock(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		a, b := two(t, m)
		c := admin.NewCluster(m, patience)
		blocked := map[string]bool{}
		for r, err := range c.Kick(t.Context(), c.Sessions(t.Context(), admin.Filter{}, ""), admin.Kick{Block: time.Hour}) {
			if err != nil || r.Outcome != admin.Kicked {
				t.Fatal(r, err)
			}
			blocked[r.Session.Key] = r.Blocked
		}
		if want := map[string]bool{a1: true, a2: true, b2: true, b3: false}; fmt.Sprint(blocked) != fmt.Sprint(want) {
			t.Errorf("blocked are %v, want %v", blocked, want)
		}
		for _, n := range []*node{a, b} {
			n.gw.do(func(g *sham) {
				for _, k := range g.kicks {
					if k.blocks != 3 {
						t.Errorf("node %s kicks when it knows of %d blocks, want 3", n.name, k.blocks)
					}
				}
			})
		}
		blocks, err := c.Blocks(t.Context())
		if err != nil || len(blocks) != 3 {
			t.Fatal(blocks, err)
		}
		for _, bl := range blocks {
			if !slices.Contains([]string{`42`, `"42"`, `"bob"`}, string(bl.Member)) || bl.Left <= 0 || bl.Left > time.Hour || bl.Until.Before(time.Now()) {
				t.Errorf("block %+v", bl)
			}
		}
		for _, member := range []string{`42`, `"42"`} {
			if was, err := c.Unblock(t.Context(), member); err != nil || !was {
				t.Errorf("%s: %v, %v", member, was, err)
			}
		}
		wantKnown(t, "Unblock", []string{`"bob"`}, a, b)
		if was, err := c.Unblock(t.Context(), "42"); err != nil || was {
			t.Errorf("again: %v, %v", was, err)
		}
		if blocks, err := c.Blocks(t.Context()); err != nil || len(blocks) != 1 || string(blocks[0].Member) != `"bob"` {
			t.Errorf("%v, %v", blocks, err)
		}
		if _, err := c.Unblock(t.Context(), `"bob`); !errors.Is(err, registry.ErrMember) {
			t.Errorf("%v, want ErrMember", err)
		}

		// Nobody has a session of these.
		for _, member := range []string{"77", `"77"`, "carol"} {
			if err := c.Block(t.Context(), member, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		wantKnown(t, "Block", []string{`"77"`, `"bob"`, `"carol"`, `77`}, a, b)
		if err := c.Block(t.Context(), `"bob`, time.Hour); !errors.Is(err, registry.ErrMember) {
			t.Errorf("%v, want ErrMember", err)
		}
	})
}

// wantKnown holds which members nodes know to be blocked when a call returns.
func wantKnown(t *testing.T, call string, want []string, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		n.gw.do(func(g *sham) {
			var known []string
			for _, b := range g.blocks {
				known = append(known, b.Member)
			}
			slices.Sort(known)
			if !slices.Equal(known, want) {
				t.Errorf("node %s knows of %q when %s returns, want %q", n.name, known, call, want)
			}
		})
	}
}

// TestKickStops: when nobody wants further results, when the walk fails, when its context ends, and
// with what can't be told.
func TestKickStops(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	n := startNode(t, m, nodeA)
	all := onlyThere(10, n)
	left := func() (left int) {
		n.gw.do(func(g *sham) { left = len(g.sessions) })
		return left
	}
	c := admin.NewCluster(m, patience)
	slow := admin.Kick{Rate: 9} // one after the other
	for range c.Kick(t.Context(), admin.Walk(all), slow) {
		break
	}
	if left() != 9 {
		t.Errorf("%d sessions are left after one result", left())
	}
	failed := errors.New("the walk fails")
	var err error
	failing := func(yield func(admin.Session, error) bool) {
		admin.Walk(all[:2])(yield)
		yield(admin.Session{}, failed)
	}
	for _, err = range c.Kick(t.Context(), failing, slow) {
	}
	if !errors.Is(err, failed) {
		t.Errorf("%v, want that the walk fails", err)
	}
	if left() != 8 {
		t.Errorf("%d sessions are left after two more", left())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err = range c.Kick(ctx, admin.Walk(all[2:]), admin.Kick{Rate: 0.001}) {
		time.AfterFunc(100*time.Millisecond, cancel) // the next one is a quarter of an hour away
	}
	if !errors.Is(err, context.Canceled) || left() != 7 {
		t.Errorf("%d are left, %v, want that it was cancelled behind the first", left(), err)
	}
	before := left()
	for _, err = range c.Kick(t.Context(), admin.Walk(all), admin.Kick{Kick: gateway.Kick{Reason: "a\nb"}}) {
	}
	if err == nil || left() != before {
		t.Errorf("a reason that can't be told ends %d sessions, %v", before-left(), err)
	}
}

// TestKickFails: a node that fails has said nothing of its sessions. To be without Redis is an error, not many silent
// nodes, unless there is nobody to kick.
func TestKickFails(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	a, _ := two(t, m)
	a.gw.do(func(g *sham) { g.fails = gateway.ErrNotRunning })
	c := admin.NewCluster(m, patience)
	got := outcomes(t, c.Kick(t.Context(), c.Sessions(t.Context(), admin.Filter{}, ""), admin.Kick{}))
	wantOutcomes(t, got, map[string]admin.Outcome{a1: admin.Silent, a2: admin.Silent, b2: admin.Kicked, b3: admin.Kicked})
	alone := admin.NewCluster(sessionMap(t, "127.0.0.1:1", redisregistry.Hashes), patience)
	for r, err := range alone.Kick(t.Context(), admin.Walk(onlyThere(1, a)), admin.Kick{}) {
		if err == nil {
			t.Errorf("%+v", r)
		}
	}
	wantOutcomes(t, outcomes(t, alone.Kick(t.Context(), admin.Walk(nil), admin.Kick{})), map[string]admin.Outcome{})
}
