package redisregistry

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestRedisCluster: all works when keys spread over three masters, and one that comes back empty has its
// part of the map again.
func TestRedisCluster(t *testing.T) {
	inBoth(t, func(t *testing.T, layout Layout) {
		t.Parallel() // most of it is waiting
		masters := servers.RedisCluster(t)
		m := mapOf(clusterOf(t, masters), layout)
		blocked := make(chan []Block, 100)
		r := New(m, mustNode(t, nodeName), Config{
			Heartbeat: 50 * time.Millisecond, Expiry: time.Hour,
			Stored: func(registry.Session) {}, Blocked: func(all []Block) { blocked <- all },
		}, slog.New(slog.DiscardHandler))
		const sessions = 3000
		for id := range registry.SessionID(sessions) {
			r.Add(of(fmt.Sprint(uint64(id%100)), id))
		}
		stop := run(t, r)
		bustest.Eventually(t, "all sessions in Redis", func() bool { return counts(t, m, sessions) })
		wantSpread(t, masters)
		wantSessions := func(want, ofMember3 int) {
			t.Helper()
			whole := keysOf(t, m, Query{}, 1<<30)
			if paged := keysOf(t, m, Query{}, 700); len(whole) != want || !slices.Equal(paged, whole) {
				t.Errorf("there are %d sessions at once and %d in pages, want %d", len(whole), len(paged), want)
			}
			for member, want := range map[string]int{"3": ofMember3, "7": 30} {
				if got, err := NewReader(m).Member(t.Context(), member); err != nil || len(got) != want {
					t.Errorf("member %s has %d sessions, %v; want %d", member, len(got), err, want)
				}
			}
		}
		wantSessions(sessions, 30)
		wantFound(t, m, r.node.Key(0x41), true)

		for _, member := range []string{"1", "2"} {
			if err := NewBlocks(m).Add(t.Context(), member, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		var last []Block
		for len(blocked) > 0 {
			last = <-blocked
		}
		if len(last) != 2 {
			t.Errorf("Blocked heard %v, want two blocks", last)
		}

		masters[1].Kill()
		bustest.Eventually(t, "the registry notices", func() bool { return r.Healthy() != nil })
		r.Remove(3)
		masters[1].Start(t)
		bustest.Eventually(t, "healthy again", func() bool { return r.Healthy() == nil })
		bustest.Eventually(t, "whole again", func() bool { return counts(t, m, sessions-1) })
		wantFound(t, m, r.node.Key(3), false)
		if n := r.Figures().Rewritten; n == 0 || layout == Keys && n > sessions*2/3 {
			t.Errorf("%d sessions were written again, want those of one master", n)
		}
		wantSessions(sessions-1, 29)

		stop()
		for _, master := range masters {
			if keys := servers.RedisCLI(t, master, "KEYS", "*"+nodeName+"*"); keys != "\n" {
				t.Errorf("a node that ended left %q", keys)
			}
		}
	})
}

func clusterOf(t *testing.T, masters []*servers.Process) redis.UniversalClient {
	t.Helper()
	var addrs []string
	for _, m := range masters {
		addrs = append(addrs, m.Addr)
	}
	return clientWith(t, Options{Addrs: addrs, Cluster: true})
}

// counts reports whether Redis has one live node with so many sessions.
func counts(t *testing.T, m Map, sessions int) bool {
	t.Helper()
	nodes, err := NewReader(m).Nodes(t.Context())
	return err == nil && len(nodes) == 1 && nodes[0].Sessions == sessions
}

// wantSpread holds that no master has everything.
func wantSpread(t *testing.T, masters []*servers.Process) {
	t.Helper()
	for _, m := range masters {
		if size := servers.RedisCLI(t, m, "DBSIZE"); size == "0\n" {
			t.Errorf("redis-server %s has no key", m.Addr)
		}
	}
}
