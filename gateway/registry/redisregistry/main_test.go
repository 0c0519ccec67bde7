package redisregistry

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

func TestMain(m *testing.M) {
	exchangeTimeout, leaveTimeout = patience, patience
	// go-redis looks once a second for a Redis that is away, and sleeps on for as long when it is closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// patience is how long a test waits for what must happen; it only decides when a test has hung.
const patience = 2 * time.Minute

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

func clientOf(t testing.TB, addr string) redis.UniversalClient {
	t.Helper()
	return clientWith(t, Options{Addrs: []string{addr}})
}

// clientWith returns NewClient's client with the patience of tests.
func clientWith(t testing.TB, o Options) (client redis.UniversalClient) {
	t.Helper()
	login := new(atomic.Pointer[Login])
	login.Store(&o.Login)
	switch c := open(o, login).(type) {
	case *redis.Client:
		c.Close()
		options := *c.Options()
		options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = patience, patience, patience
		client = redis.NewClient(&options)
	case *redis.ClusterClient:
		c.Close()
		options := *c.Options()
		options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = patience, patience, patience
		client = redis.NewClusterClient(&options)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// like is a Client with the settings of one of the test's, over connections of its own.
func like(client redis.UniversalClient) *Client {
	return newClient(func() redis.UniversalClient {
		switch c := client.(type) {
		case *redis.Client:
			options := *c.Options()
			return redis.NewClient(&options)
		case *redis.ClusterClient:
			options := *c.Options()
			return redis.NewClusterClient(&options)
		}
		return nil // of a test that asks nothing
	}, new(atomic.Pointer[Login]))
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

// mapOf is the map that the tests use: of a layout, with the prefix "stompgw:".
func mapOf(client redis.UniversalClient, layout Layout) Map {
	return Map{Client: like(client), Prefix: "stompgw:", Layout: layout}
}

// newRegistry returns a Registry that nobody runs: the test calls beat and write itself.
func newRegistry(t testing.TB, client redis.UniversalClient, name string) *Registry {
	t.Helper()
	return newRegistryOn(t, mapOf(client, Hashes), name, Config{})
}

func newRegistryOn(t testing.TB, m Map, name string, cfg Config) *Registry {
	t.Helper()
	cfg.Addrs = []string{"the test's"}
	if cfg.Expiry == 0 {
		cfg.Expiry = time.Hour // no test is to depend on how fast it is
	}
	return New(m, mustNode(t, name), cfg, slog.New(slog.DiscardHandler))
}

// inBoth runs a test in both layouts, the second with an index of members.
func inBoth(t *testing.T, test func(t *testing.T, layout Layout)) {
	for _, layout := range []Layout{Hashes, Keys} {
		t.Run(string(layout), func(t *testing.T) { test(t, layout) })
	}
}

// everywhere runs a test in both layouts, on both servers.
func everywhere(t *testing.T, test func(t *testing.T, m Map)) {
	inBoth(t, func(t *testing.T, layout Layout) {
		onBoth(t, func(t *testing.T, client redis.UniversalClient) { test(t, mapOf(client, layout)) })
	})
}

// onMini runs a test in both layouts, on a server that does what the test says.
func onMini(t *testing.T, test func(t *testing.T, m Map, server *miniredis.Miniredis)) {
	inBoth(t, func(t *testing.T, layout Layout) {
		server := miniredis.RunT(t)
		test(t, mapOf(clientOf(t, server.Addr()), layout), server)
	})
}

// indexed is a Registry that keeps an index of members in both layouts.
func indexed(t testing.TB, m Map) *Registry {
	t.Helper()
	return newRegistryOn(t, m, nodeName, Config{Stored: func(registry.Session) {}})
}

// connected returns a time in a zone of its own, so that no test depends on the machine's.
func connected() time.Time {
	return time.Date(2025, 2, 3, 14, 5, 6, 789e6, time.FixedZone("KST", 9*60*60))
}

func session(id registry.SessionID) registry.Session {
	return registry.Session{ID: id, ConnectedAt: connected(), Member: "42", Transport: "websocket", Version: "1.2"}
}

// of is a session of another member, or of none.
func of(member string, id registry.SessionID) registry.Session {
	s := session(id)
	s.Member = member
	return s
}

// many are that many sessions, from id 0 on.
func many(n registry.SessionID) (sessions []registry.Session) {
	for id := range n {
		sessions = append(sessions, session(id))
	}
	return sessions
}

func add(r *Registry, sessions ...registry.Session) {
	for _, s := range sessions {
		r.Add(s)
	}
}

// flush writes all that is dirty.
func flush(t testing.TB, r *Registry) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = r.write(t.Context()); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
}

func beat(t testing.TB, r *Registry) {
	t.Helper()
	if err := r.beat(t.Context()); err != nil {
		t.Fatalf("heartbeat: %v", err)
	}
}

// publish has Redis hear of the sessions of r, and that its node lives.
func publish(t testing.TB, r *Registry, sessions ...registry.Session) {
	t.Helper()
	add(r, sessions...)
	beat(t, r)
	flush(t, r)
}

// listed returns what a reader sees: the ids of sessions, in its order, which for Keys is made that of
// numbers.
func listed(ctx context.Context, m Map, q Query) (string, error) {
	var all []Session
	for s, err := range NewReader(m).Sessions(ctx, q) {
		if err != nil {
			return "", err
		}
		all = append(all, s)
	}
	if m.Layout == Keys {
		slices.SortFunc(all, func(a, b Session) int { return byID(a.ID, b.ID) })
	}
	return idsOf(all), nil
}

func idsOf(sessions []Session) string {
	var ids []string
	for _, s := range sessions {
		ids = append(ids, strings.TrimLeft(s.ID[:len(s.ID)-1], "0")+s.ID[len(s.ID)-1:])
	}
	return strings.Join(ids, " ")
}

// wantListed holds which sessions a reader sees, by their ids in hexadecimal digits.
func wantListed(t *testing.T, m Map, want string) {
	t.Helper()
	if got, err := listed(t.Context(), m, Query{}); err != nil || got != want {
		t.Errorf("a reader sees sessions [%s], %v; want [%s]", got, err, want)
	}
}

// wantMember holds which sessions the index has of a member.
func wantMember(t *testing.T, m Map, member, want string) {
	t.Helper()
	sessions, err := NewReader(m).Member(t.Context(), member)
	if got := idsOf(sessions); err != nil || got != want {
		t.Errorf("member %s has sessions [%s], %v; want [%s]", member, got, err, want)
	}
}
