package redisregistry

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; it only decides when a test has hung.
const patience = 20 * time.Second

// onBoth runs a test against miniredis and against the real server.
func onBoth(t *testing.T, test func(t *testing.T, client redis.UniversalClient)) {
	t.Run("miniredis", func(t *testing.T) {
		m := miniredis.RunT(t)
		m.ClockTTL(true)
		test(t, clientOf(t, m.Addr()))
	})
	t.Run("redis-server", func(t *testing.T) {
		test(t, clientOf(t, servers.Redis(t).Addr))
	})
}

func clientOf(t *testing.T, addr string) redis.UniversalClient {
	t.Helper()
	client := NewClient([]string{addr})
	t.Cleanup(func() { client.Close() })
	return client
}

const nodeName = "1719999999999/7c0e9d1a-0000-4000-8000-000000000001"

func mustNode(t testing.TB, name string) registry.Node {
	t.Helper()
	node, err := registry.ParseNode(name)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// newRegistry returns a Registry that nobody runs: the test calls beat and write itself.
func newRegistry(t testing.TB, client redis.UniversalClient, name string) *Registry {
	t.Helper()
	return New(client, mustNode(t, name), Config{Addrs: []string{"the test's"}, Prefix: "stompgw:"}, slog.New(slog.DiscardHandler))
}

// connected returns a time in a zone of its own, so that no test depends on the machine's.
func connected() time.Time {
	return time.Date(2025, 2, 3, 14, 5, 6, 789e6, time.FixedZone("KST", 9*60*60))
}

func session(id registry.SessionID) registry.Session {
	return registry.Session{ID: id, ConnectedAt: connected(), Member: "42", Transport: "websocket", Version: "1.2"}
}

// flush writes all that is dirty.
func flush(t *testing.T, r *Registry) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = r.write(t.Context()); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
}

func beat(t *testing.T, r *Registry) {
	t.Helper()
	if err := r.beat(t.Context()); err != nil {
		t.Fatalf("heartbeat: %v", err)
	}
}

// listed returns what a reader sees: the ids of all sessions of live nodes, in its order.
func listed(ctx context.Context, client redis.UniversalClient) (string, error) {
	reader := NewReader(client, "stompgw:")
	nodes, err := reader.Nodes(ctx)
	if err != nil {
		return "", err
	}
	var ids []string
	for s, err := range reader.Sessions(ctx, nodes) {
		if err != nil {
			return "", err
		}
		ids = append(ids, fmt.Sprint(uint64(s.ID)))
	}
	return strings.Join(ids, " "), nil
}

func wantListed(t *testing.T, client redis.UniversalClient, want string) {
	t.Helper()
	if got, err := listed(t.Context(), client); err != nil || got != want {
		t.Errorf("a reader sees sessions [%s], %v; want [%s]", got, err, want)
	}
}

// eventually waits until what another goroutine does has made ok true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	hung := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-hung:
			t.Fatalf("still not: %s", what)
		}
	}
}
