package admin_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

const foreignNode = "1719999999990/7c0e9d1a-0000-4000-8000-0000000000ff"

func TestNodes(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Keys)
	a, b := two(t, m)
	const value = `{"connectDatetime":"2025_02_03_T_14_05_06_789_KST","serverUuid":"` + foreignNode + `","principalUserName":"p","memberUid":7}`
	if err := m.Client.Redis().Set(t.Context(), foreignNode+"_7d5c", value, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	inRedis(t, m, 5)
	a.gw.do(func(g *sham) { g.ready = errors.New("the bus is away") })
	c := admin.NewCluster(m, patience)
	nodes, err := c.Nodes(t.Context())
	if err != nil || len(nodes) != 3 {
		t.Fatal(nodes, err)
	}
	foreign, first, second := nodes[0], nodes[1], nodes[2]
	if foreign.Name != foreignNode || foreign.State != "foreign" || foreign.Sessions != 1 || foreign.Version != "" ||
		foreign.StartedAt != nil || foreign.HeartbeatAt != nil || foreign.Connections != nil || foreign.Ready != nil {
		t.Errorf("the foreign one is %+v", foreign)
	}
	if first.Name != nodeA || first.Short != "7c0e9d1a" || first.Host != "web-1" || first.Address != "192.0.2.1:80" || first.State != "not ready" || first.Sessions != 2 || first.Version != "9.9" || first.Bus != "membus" ||
		!first.StartedAt.Equal(time.Unix(1719999999, 0)) || first.HeartbeatAt == nil || *first.Connections != 102 || *first.Ready != "the bus is away" {
		t.Errorf("node a is %+v", first)
	}
	if second.Name != nodeB || second.State != "serving" || *second.Ready != "yes" {
		t.Errorf("node b is %+v", second)
	}
	b.leave()
	a.gw.do(func(g *sham) { g.drained = true })
	n, err := c.FindNode(t.Context(), nodeA)
	if err != nil || n.State != "draining" {
		t.Errorf("node a is %+v, %v", n, err)
	}
	n, err = admin.NewCluster(m, impatience).FindNode(t.Context(), nodeB)
	if err != nil || n.State != "silent" || n.Sessions != 2 || n.Version != "9.9" || n.Connections != nil || n.Ready != nil {
		t.Errorf("node b is %+v, %v", n, err)
	}
}

func TestFindNode(t *testing.T) {
	const nodeC = "1720000000000/9c0e9d1a-0000-4000-8000-00000000000c"
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	startNode(t, m, nodeA)
	startNode(t, m, nodeB)
	startNode(t, m, nodeC, func(c *redisregistry.Config) { c.Host = "web-3" })
	c := admin.NewCluster(m, patience)
	for name, want := range map[string]string{nodeA: nodeA, nodeB[:13]: nodeB, "172": nodeC, "9c": nodeC, "web-3": nodeC, strings.SplitAfter(nodeA, "/")[1]: nodeA} {
		if n, err := c.FindNode(t.Context(), name); err != nil || n.Name != want {
			t.Errorf("%s is %s, %v; want %s", name, n.Name, err, want)
		}
	}
	for _, name := range []string{"", "2", "c0e9", nodeA + "x"} {
		if n, err := c.FindNode(t.Context(), name); !errors.Is(err, admin.ErrNoNode) {
			t.Errorf("%q is %s, %v; want ErrNoNode", name, n.Name, err)
		}
	}
	for _, name := range []string{"7c", "17199", "web-1"} {
		_, err := c.FindNode(t.Context(), name)
		var several *admin.AmbiguousError
		if !errors.As(err, &several) || !slices.Equal(several.Keys, []string{nodeA, nodeB}) || !strings.Contains(err.Error(), nodeA+", "+nodeB) {
			t.Errorf("%s: %v, want that two are named", name, err)
		}
	}
}

func TestDrain(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	a, b := two(t, m)
	if n, err := admin.NewCluster(m, patience).Drain(t.Context(), nodeA); err != nil || n != 2 {
		t.Errorf("%d sessions, %v", n, err)
	}
	bustest.Eventually(t, "node a drains", a.gw.Draining)
	if b.gw.Draining() {
		t.Error("node b drains")
	}
	b.leave()
	if n, err := admin.NewCluster(m, impatience).Drain(t.Context(), nodeB); !errors.Is(err, admin.ErrSilent) || !strings.Contains(err.Error(), nodeB) {
		t.Errorf("%d sessions, %v; want ErrSilent", n, err)
	}
}

// TestAs: those who ask under several names share what is known of silent nodes, and are told of those that they have asked.
func TestAs(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	a := startNode(t, m, nodeA)
	a.leave()
	cluster := admin.NewCluster(m, impatience)
	shop, desk := cluster.As("key shop"), cluster.As("key desk")
	if _, err := shop.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := desk.Silent(); len(got) > 0 {
		t.Errorf("who has asked nobody is told of %q", got)
	}
	patient := desk.As("key desk")
	if err := patient.AskLive(t.Context(), onlyThere(1, a)); err != nil {
		t.Fatal(err)
	}
	if got := patient.Silent(); !slices.Equal(got, []string{nodeA}) || shop.Operator != "key shop" || desk.Operator != "key desk" || cluster.Operator != "" {
		t.Errorf("silent are %q", got)
	}
}

// TestSilenceOverTime: a silent node is spared for 30 s, and forgotten in 10 minutes though no other is silent.
func TestSilenceOverTime(t *testing.T) {
	m := sessionMap(t, miniature(t), redisregistry.Hashes)
	a := startNode(t, m, nodeA)
	a.gw.do(func(g *sham) { g.fails = errors.New("it has lost its loops") })
	c, now := admin.NewCluster(m, patience), time.Now()
	c.SetClock(func() time.Time { return now })
	for _, step := range []struct {
		later time.Duration
		asked int
	}{{0, 1}, {29 * time.Second, 1}, {2 * time.Second, 2}} {
		now = now.Add(step.later)
		if _, _, err := c.Destinations(t.Context(), "", "", 10); err != nil {
			t.Fatal(err)
		}
		if got := len(a.gw.asked()); got != step.asked {
			t.Errorf("%s later it has been asked %d times, want %d", step.later, got, step.asked)
		}
	}
	if got := c.Silent(); !slices.Equal(got, []string{nodeA}) {
		t.Errorf("silent are %q", got)
	}
	now = now.Add(11 * time.Minute)
	if got := c.Silent(); len(got) > 0 {
		t.Errorf("11 minutes later silent are %q", got)
	}
}
