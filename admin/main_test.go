package admin_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; it only decides when a test has hung.
const patience = 20 * time.Second

const (
	nodeA = "1719999999998/7c0e9d1a-0000-4000-8000-00000000000a"
	nodeB = "1719999999999/7c0e9d1a-0000-4000-8000-00000000000b"
)

// cluster is two nodes in one Redis: the first has sessions 1 and 2, the second 2 and 3.
func cluster(t *testing.T) *redisregistry.Reader {
	t.Helper()
	client := redisregistry.NewClient([]string{miniredis.RunT(t).Addr()})
	t.Cleanup(func() { client.Close() })
	publishSessions(t, client, nodeA, 1, 2)
	publishSessions(t, client, nodeB, 2, 3)
	reader := redisregistry.NewReader(client, "")
	eventually(t, "four sessions in Redis", func() bool {
		n := 0
		nodes, err := reader.Nodes(t.Context())
		for _, serr := range reader.Sessions(t.Context(), nodes) {
			if serr != nil {
				err = serr
			}
			n++
		}
		return err == nil && n == 4
	})
	return reader
}

func publishSessions(t *testing.T, client redis.UniversalClient, name string, ids ...registry.SessionID) {
	t.Helper()
	node, err := registry.ParseNode(name)
	if err != nil {
		t.Fatal(err)
	}
	reg := redisregistry.New(client, node, redisregistry.Config{}, slog.New(slog.DiscardHandler))
	for _, id := range ids {
		reg.Add(registry.Session{ID: id, ConnectedAt: time.Unix(1719999999, 0), Member: "42", Transport: "tcp", Version: "1.1"})
	}
	start(t, reg.Run)
}

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
