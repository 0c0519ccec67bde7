package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestRedisMoves: the name of Redis comes to mean another server, and the one that it meant lives on, with
// all connections to it. Operators, who dial the name now, reach the node, and so do blocks and the list of
// revoked tokens; nothing of the node stays at the old server.
func TestRedisMoves(t *testing.T) {
	for name, keep := range map[string]func(t *testing.T, old, now *servers.Process){
		"as a master": func(*testing.T, *servers.Process, *servers.Process) {},
		"as a replica": func(t *testing.T, old, now *servers.Process) {
			host, port, _ := strings.Cut(now.Addr, ":")
			servers.RedisCLI(t, old, "REPLICAOF", host, port)
		},
	} {
		t.Run("the old one lives on "+name, func(t *testing.T) {
			old, now := servers.Redis(t), servers.Redis(t, "--repl-diskless-sync-delay", "0")
			proxy := newProxy(t, old.Addr)
			m := sessionMap(t, proxy.addr, redisregistry.Hashes)
			tokens := m.Client.Beside()
			if err := tokens.Redis().Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			n := startWatchful(t, m)
			n.has(1, "42", "tcp")
			inRedis(t, m, 1)

			proxy.move(now.Addr)
			keep(t, old, now)
			operators := sessionMap(t, proxy.addr, redisregistry.Hashes)
			c := admin.NewCluster(operators, impatience)
			bustest.Eventually(t, "operators reach the node", func() bool {
				found, err := c.FindNode(t.Context(), nodeA)
				return err == nil && found.Connections != nil
			})
			inRedis(t, operators, 1)
			if err := redisregistry.NewBlocks(operators).Add(t.Context(), "42", time.Hour); err != nil {
				t.Fatal(err)
			}
			bustest.Eventually(t, "the node knows the block", func() (known bool) {
				n.gw.do(func(g *sham) { known = len(g.blocks) == 1 })
				return known
			})
			if got := runOf(t, tokens.Redis()); got != runOf(t, operators.Client.Redis()) {
				t.Error("tokens are asked for at the old server")
			}
			bustest.Eventually(t, "no connection to the old server is left", func() bool {
				return !strings.Contains(servers.RedisCLI(t, old, "CLIENT", "LIST", "TYPE", "pubsub"), "id=") &&
					strings.Count(servers.RedisCLI(t, old, "CLIENT", "LIST", "TYPE", "normal"), "id=") == 1 // who asks
			})
		})
	}
}

// runOf names the process of the server that a client asks.
func runOf(t *testing.T, client redis.UniversalClient) string {
	t.Helper()
	info, err := client.Info(t.Context(), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, run, _ := strings.Cut(info, "run_id:")
	return run[:40]
}

// TestRedisClusterMoves: as TestRedisMoves. A client of a cluster asks the servers that it knows for
// others, and so would stay with the old ones for good.
func TestRedisClusterMoves(t *testing.T) {
	old, now := servers.RedisCluster(t), servers.RedisCluster(t)
	proxy := newProxy(t, old[0].Addr)
	m := clusterMap(t, proxy.addr)
	startWatchful(t, m)
	proxy.move(now[0].Addr)
	c := admin.NewCluster(clusterMap(t, proxy.addr), impatience)
	bustest.Eventually(t, "operators reach the node", func() bool {
		found, err := c.FindNode(t.Context(), nodeA)
		return err == nil && found.Connections != nil
	})
}

// TestListeningGoesOn: connections that a node makes anew itself are not told as lost, and operators reach it after. That
// new ones can't be made says nothing of those there are, and is no fault to log.
func TestListeningGoesOn(t *testing.T) {
	server := servers.Redis(t)
	proxy := newProxy(t, server.Addr)
	m, direct := sessionMap(t, proxy.addr, redisregistry.Hashes), sessionMap(t, server.Addr, redisregistry.Hashes)
	control := startControl(t, m, direct, 100*time.Millisecond)
	a := newAsker(t, direct, nodeA)
	reaches := func(id string) {
		t.Helper()
		a.publish(t, a.request(id, "about", ""))
		a.hear(t)
		if warnings := logLines(&control.log, "WARN"); len(warnings) > 0 || control.Malformed() > 0 {
			t.Errorf("%d messages are counted as malformed, and the log says %q", control.Malformed(), warnings)
		}
	}
	before := subscribers(t, server)
	m.Client.Renew()
	bustest.Eventually(t, "it has subscribed anew", func() bool {
		now := subscribers(t, server)
		return strings.Count(now, "id=") == 2 && now != before
	})
	reaches("x")
	proxy.move("127.0.0.1:1")
	bustest.Eventually(t, "the node has tried to connect", func() bool { return proxy.lost.Load() >= 3 })
	reaches("y")
}

// subscribers names the connections that subscribe to something.
func subscribers(t *testing.T, server *servers.Process) (ids string) {
	t.Helper()
	for line := range strings.Lines(servers.RedisCLI(t, server, "CLIENT", "LIST", "TYPE", "pubsub")) {
		id, _, _ := strings.Cut(line, " ")
		ids += id
	}
	return strings.TrimSpace(ids)
}

// startWatchful starts a node that looks after its connections many times a second.
func startWatchful(t *testing.T, m redisregistry.Map) *node {
	t.Helper()
	n := newNode(t, m, nodeA, func(c *redisregistry.Config) { c.Heartbeat, c.Expiry = 100*time.Millisecond, time.Minute })
	n.control.SetLook(100 * time.Millisecond)
	n.start(t, m)
	return n
}

func clusterMap(t *testing.T, addrs ...string) redisregistry.Map {
	t.Helper()
	return connectMap(t, redisregistry.Options{Addrs: addrs, Cluster: true, Patience: patience}, redisregistry.Hashes)
}
