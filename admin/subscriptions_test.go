package admin_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestEndSubscriptions: those of the sessions that are meant end, on all nodes, and of each session it is told whether it
// had one.
func TestEndSubscriptions(t *testing.T) {
	onAll(t, func(t *testing.T, m redisregistry.Map) {
		a, b := two(t, m)
		c := admin.NewCluster(m, patience).As("key shop")
		all := list(t, c.Sessions(t.Context(), admin.Filter{}, ""))
		how := admin.Ending{Destination: "/topic/b", Reason: "closed", Whom: "all"}
		got := outcomes(t, c.EndSubscriptions(t.Context(), admin.Walk(all), how))
		wantOutcomes(t, got, map[string]admin.Outcome{
			a1: admin.Ended, a2: admin.NotSubscribed, b2: admin.Ended, b3: admin.NotSubscribed,
		})
		for _, n := range []*node{a, b} {
			if asked := n.gw.asked(); !slices.Equal(asked, []string{"end /topic/b: closed"}) {
				t.Errorf("node %s was asked for %q", n.name, asked)
			}
			bustest.Eventually(t, "it is logged", func() bool { return len(logLines(&n.log, "ended subscriptions")) > 0 })
			line := `level=INFO msg="an operator ended subscriptions" by="key shop" whom=all sessions=1 reason=closed destination=/topic/b`
			if got := logLines(&n.log, "operator"); !slices.Equal(got, []string{line}) {
				t.Errorf("node %s logs %q, want %q", n.name, got, line)
			}
		}
		got = outcomes(t, c.EndSubscriptions(t.Context(), c.Sessions(t.Context(), admin.Filter{Member: "42"}, ""), admin.Ending{Destination: "/topic/a"}))
		wantOutcomes(t, got, map[string]admin.Outcome{a1: admin.Ended})
		a.gw.do(func(g *sham) {
			if len(g.sessions[1]) != 0 || !slices.Equal(g.sessions[2], []string{"/topic/a"}) {
				t.Errorf("left are %v", g.sessions)
			}
		})
	})
}

// TestEndSubscriptionsFails: with what can't be, nobody is asked; a node that is silent, or fails, has said nothing of its
// sessions.
func TestEndSubscriptionsFails(t *testing.T) {
	m := sessionMap(t, servers.Redis(t).Addr, redisregistry.Hashes)
	a, b := two(t, m)
	c := admin.NewCluster(m, impatience)
	all := list(t, c.Sessions(t.Context(), admin.Filter{}, ""))
	for _, tt := range []struct {
		how  admin.Ending
		want error // any, if nil
	}{
		{admin.Ending{}, admin.ErrDestination},
		{admin.Ending{Destination: "/" + strings.Repeat("a", 8<<10)}, admin.ErrDestination},
		{admin.Ending{Destination: "/topic/a", Reason: "two\nlines"}, nil},
		{admin.Ending{Destination: "/topic/a", Reason: strings.Repeat("x", 201)}, nil},
	} {
		var err error
		for _, err = range c.EndSubscriptions(t.Context(), admin.Walk(all), tt.how) {
		}
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%.80v: %v, want %v", tt.how, err, tt.want)
		}
	}
	if asked := append(a.gw.asked(), b.gw.asked()...); len(asked) > 0 {
		t.Errorf("the nodes were asked for %q", asked)
	}
	a.gw.do(func(g *sham) { g.fails = gateway.ErrNotRunning })
	b.leave()
	got := outcomes(t, c.EndSubscriptions(t.Context(), admin.Walk(all), admin.Ending{Destination: "/topic/a"}))
	wantOutcomes(t, got, map[string]admin.Outcome{a1: admin.Silent, a2: admin.Silent, b2: admin.Silent, b3: admin.Silent})
	if got := c.Silent(); !slices.Contains(got, nodeB) {
		t.Errorf("silent are %q", got)
	}
}
