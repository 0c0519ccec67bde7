package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestRedisAway: sessions live on while Redis is away, the node tells of it, and afterwards the map is
// that of the sessions there are: nothing is missing, and nothing is there of those that ended.
func TestRedisAway(t *testing.T) {
	for _, layout := range []redisregistry.Layout{redisregistry.Hashes, redisregistry.Keys} {
		t.Run(string(layout), func(t *testing.T) {
			const size, ending = 3000, 500
			redis := servers.Redis(t)
			n := startNode(t, redis.Addr, natsAt(servers.NATS(t, 0).Addr)+"\nregistry: { heartbeat: 500ms, expiry: 10m, layout: "+string(layout)+" }")
			sessions := connectMany(t, n, size)
			reader := readMap(t, layout, redis.Addr)
			awaitKeys(t, reader, sessions)

			redis.Kill()
			n.awaitWithout(t, redis)
			if n.figure(t, `stompgw_check_passes{check="registry"}`) != 0 {
				t.Error("the metrics don't tell that Redis is away")
			}
			for _, c := range sessions[:ending] {
				c.conn.Close()
			}
			sessions = append(sessions[ending:], connectMany(t, n, ending)...)
			sessions[0].subscribe(t, "/topic/a")
			sessions[0].send(t, "SEND", "still here", "destination", "/topic/a")
			if f := sessions[0].expect(t, "MESSAGE"); f.body != "still here" {
				t.Errorf("got %+v", f)
			}
			redis.Start(t)
			awaitKeys(t, reader, sessions)

			client := redisregistry.NewClient(redisregistry.Options{Addrs: []string{redis.Addr}})
			defer client.Close()
			if err := client.Redis().FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			awaitKeys(t, reader, sessions)
			if status, said := n.get(t.Context(), "/readyz"); status != http.StatusOK {
				t.Errorf("/readyz: %d %s", status, said)
			}
		})
	}
}

// TestRedisSilent: the same, for a Redis that takes connections and says nothing.
func TestRedisSilent(t *testing.T) {
	redis := servers.Redis(t)
	n := startNode(t, redis.Addr, natsAt(servers.NATS(t, 0).Addr)+"\nregistry: { heartbeat: 500ms, expiry: 10m }")
	sessions := connectMany(t, n, 10)
	reader := readMap(t, redisregistry.Hashes, redis.Addr)
	awaitKeys(t, reader, sessions)
	resume := suspend(t, redis)
	n.awaitWithout(t, redis)
	sessions[0].conn.Close()
	sessions = append(sessions[1:], connectMany(t, n, 10)...)
	resume()
	awaitKeys(t, reader, sessions)
}

// awaitWithout returns when a node says that it is ready without its Redis.
func (n *node) awaitWithout(t *testing.T, redis *servers.Process) {
	t.Helper()
	bustest.Eventually(t, "/readyz says that Redis is away", func() bool {
		status, said := n.get(t.Context(), "/readyz")
		return status == http.StatusOK && strings.Contains(said, "registry (does not count): redis "+redis.Addr+": away")
	})
}

// connectMany opens sessions, some at a time.
func connectMany(t *testing.T, n *node, count int) []*client {
	t.Helper()
	const openers = 16
	clients := make([]*client, count)
	var opening sync.WaitGroup
	for first := range openers {
		opening.Go(func() {
			for i := first; i < count; i += openers {
				clients[i] = connect(t, n.Addr)
			}
		})
	}
	opening.Wait()
	return clients
}

func readMap(t *testing.T, layout redisregistry.Layout, addrs ...string) *redisregistry.Reader {
	t.Helper()
	client := redisregistry.NewClient(redisregistry.Options{Addrs: addrs})
	t.Cleanup(func() { client.Close() })
	return redisregistry.NewReader(redisregistry.Map{Client: client, Prefix: "stompgw:", Layout: layout})
}

// awaitKeys returns when the map has exactly the keys of these sessions.
func awaitKeys(t *testing.T, reader *redisregistry.Reader, sessions []*client) {
	t.Helper()
	want := make(map[string]bool, len(sessions))
	for _, c := range sessions {
		want[c.session] = true
	}
	bustest.Eventually(t, "the map has all sessions and no other", func() bool { return hasKeys(t.Context(), reader, want) })
}

func hasKeys(ctx context.Context, reader *redisregistry.Reader, want map[string]bool) bool {
	seen := make(map[string]bool, len(want))
	for s, err := range reader.Sessions(ctx, redisregistry.Query{}) {
		if err != nil || !want[s.Key()] {
			return false
		}
		seen[s.Key()] = true
	}
	return len(seen) == len(want)
}
