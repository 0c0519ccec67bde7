package redisregistry

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestLayout holds the names and bytes that other tools read.
func TestLayout(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		r := newRegistry(t, client, nodeName)
		beat(t, r)
		r.Add(session(65))
		flush(t, r)

		ctx := t.Context()
		if got := client.SMembers(ctx, "stompgw:nodes").Val(); len(got) != 1 || got[0] != nodeName {
			t.Errorf("stompgw:nodes is %q, want %q", got, nodeName)
		}
		const want = `{"connectDatetime":"2025_02_03_T_14_05_06_789_KST",` +
			`"serverUuid":"` + nodeName + `",` +
			`"principalUserName":"` + nodeName + `/00000041/2025_02_03_T_14_05_06_789_KST",` +
			`"memberUid":42,"transport":"websocket","version":"1.2","connectedAt":"2025-02-03T14:05:06.789+09:00"}`
		if got := client.HGet(ctx, "stompgw:sessions:"+nodeName+":1", nodeName+"_00000041").Val(); got != want {
			t.Errorf("session 65 is\n%s, want\n%s", got, want)
		}
		for _, key := range []string{"stompgw:alive:" + nodeName, "stompgw:sessions:" + nodeName + ":1"} {
			if ttl := client.PTTL(ctx, key).Val(); ttl <= 0 || ttl > r.cfg.Expiry {
				t.Errorf("%s expires in %s, want at most %s", key, ttl, r.cfg.Expiry)
			}
		}
	})
}

// TestNodeThatDiesEarly: a hash must expire although its node never came to a heartbeat.
func TestNodeThatDiesEarly(t *testing.T) {
	m := miniredis.RunT(t)
	r := newRegistry(t, clientOf(t, m.Addr()), nodeName)
	r.Add(session(1))
	flush(t, r)
	m.FastForward(r.cfg.Expiry + time.Millisecond)
	if keys := m.Keys(); len(keys) != 0 {
		t.Errorf("a dead node left %q", keys)
	}
}

func TestAddAndRemove(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		r := newRegistry(t, client, nodeName)
		for id := range registry.SessionID(1200) {
			r.Add(session(id + 1))
		}
		beat(t, r)
		flush(t, r)
		for id := range registry.SessionID(1197) {
			r.Remove(id + 1)
		}
		r.Remove(5000)
		flush(t, r)
		wantListed(t, client, "1198 1199 1200")
		changed := session(1199)
		changed.Member = `"bob"`
		r.Add(changed)
		flush(t, r)
		beat(t, r)
		s, err := NewReader(client, "stompgw:").Find(t.Context(), r.node.Key(1199))
		if err != nil || string(s.Value.MemberUID) != `"bob"` {
			t.Errorf("session 1199 is %+v, %v; want member bob", s.Value, err)
		}
		wantListed(t, client, "1198 1199 1200")
	})
}

// TestMemberThatIsNotJSON: one bad session must not hold up the others of its pipeline.
func TestMemberThatIsNotJSON(t *testing.T) {
	client := clientOf(t, miniredis.RunT(t).Addr())
	r := newRegistry(t, client, nodeName)
	bad := session(1)
	bad.Member = "bob"
	r.Add(bad)
	r.Add(session(2))
	beat(t, r)
	flush(t, r)
	wantListed(t, client, "1 2")
}

// TestLostHash: what Redis lost is written again by one heartbeat, and what it has too much goes.
func TestLostHash(t *testing.T) {
	key := func(bucket string) string { return "stompgw:sessions:" + nodeName + ":" + bucket }
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		for _, tt := range []struct {
			name string
			harm func() error
		}{
			{"all of Redis flushed", func() error { return client.FlushAll(ctx).Err() }},
			{"one session lost", func() error { return client.HDel(ctx, key("1"), nodeName+"_00000041").Err() }},
			{"a deleted session back", func() error { return client.HSet(ctx, key("1"), nodeName+"_00000081", "{}").Err() }},
			{"an empty hash back", func() error { return client.HSet(ctx, key("7"), nodeName+"_00000007", "{}").Err() }},
		} {
			t.Run(tt.name, func(t *testing.T) {
				client.FlushAll(ctx)
				r := newRegistry(t, client, nodeName)
				for _, id := range []registry.SessionID{1, 2, 65} {
					r.Add(session(id))
				}
				beat(t, r)
				flush(t, r)
				if err := tt.harm(); err != nil {
					t.Fatal(err)
				}
				beat(t, r)
				flush(t, r)
				wantListed(t, client, "1 2 65")
			})
		}
	})
}

// TestHealthyHashIsLeftAlone: a heartbeat that finds all in order writes no session.
func TestHealthyHashIsLeftAlone(t *testing.T) {
	r := newRegistry(t, clientOf(t, miniredis.RunT(t).Addr()), nodeName)
	for id := range registry.SessionID(200) {
		r.Add(session(id))
	}
	beat(t, r)
	flush(t, r)
	r.Remove(7)
	flush(t, r)
	beat(t, r)
	for i := range r.book.buckets {
		if c := r.book.buckets[i].take(1); c.len() != 0 {
			t.Fatalf("hash %d is to be written again: %+v", i, c)
		}
	}
}

// TestSessionsWhileRedisIsAway: they wait in memory, and one that ended meanwhile leaves no trace.
func TestSessionsWhileRedisIsAway(t *testing.T) {
	m := miniredis.RunT(t)
	client := clientOf(t, m.Addr())
	r := newRegistry(t, client, nodeName)
	r.Add(session(1))
	r.Add(session(2))
	beat(t, r)
	flush(t, r)

	m.SetError("LOADING the test says no")
	r.Add(session(3))
	r.Add(session(4))
	if _, err := r.write(t.Context()); err == nil {
		t.Fatal("write succeeded without Redis")
	}
	r.Remove(1) // stored
	r.Remove(3) // sent, and nobody knows whether it arrived
	r.Add(session(5))
	r.Remove(5) // never sent
	m.SetError("")

	flush(t, r)
	beat(t, r)
	wantListed(t, client, "2 4")
	if n := held(r); n != 2 {
		t.Errorf("the book holds %d entries, want 2", n)
	}
}

func held(r *Registry) (n int) {
	for i := range r.book.buckets {
		n += len(r.book.buckets[i].entries) + len(r.book.buckets[i].dirty)
	}
	return n
}

// TestBackAfterUnknownOutcome: a pipeline that failed may have arrived. The heartbeat that comes
// before its repetition must not take the difference for a loss.
func TestBackAfterUnknownOutcome(t *testing.T) {
	m := miniredis.RunT(t)
	client := clientOf(t, m.Addr())
	r := newRegistry(t, client, nodeName)
	r.Add(session(1))
	b := &r.book.buckets[1]
	b.settle(b.take(1), false)
	client.HSet(t.Context(), r.keys.sessions(nodeName, 1), r.node.Key(1), "{}")
	beat(t, r)
	if !m.Exists(r.keys.sessions(nodeName, 1)) {
		t.Error("the heartbeat dropped a hash that was only unsure")
	}
	flush(t, r)
	if b.unsure || b.stored != 1 {
		t.Errorf("after the repetition unsure is %v and stored %d, want false and 1", b.unsure, b.stored)
	}
}

// TestChangesCoalesce: Redis hears the last word on a session, once.
func TestChangesCoalesce(t *testing.T) {
	r := newRegistry(t, nil, nodeName)
	for range 1000 {
		r.Add(session(1))
		r.Remove(1)
		r.Add(session(1))
	}
	if c := r.book.buckets[1].take(10); len(c.put) != 1 || len(c.drop) != 0 {
		t.Errorf("the bucket has %+v to write, want one put", c)
	}
}

// run starts r and returns what ends it and waits for it.
func run(t *testing.T, r *Registry) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// TestRunLeavesNothing: Run writes what takes many pipelines, and at its end takes it all away.
func TestRunLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		r := newRegistry(t, client, nodeName)
		const sessions = 20 * pipelineChanges
		for id := range registry.SessionID(sessions) {
			r.Add(session(id))
		}
		stop := run(t, r)
		eventually(t, "all sessions in Redis", func() bool {
			var n int64
			for i := range buckets {
				n += client.HLen(t.Context(), r.keys.sessions(nodeName, i)).Val()
			}
			return n == sessions
		})
		stop()
		if keys := client.Keys(t.Context(), "*").Val(); len(keys) != 0 {
			t.Errorf("a node that ended left %q", keys)
		}
	})
}

// TestRedisRestarts: an empty Redis comes back on the same port. The node says that it is away,
// goes on, and is whole again, less what ended in between.
func TestRedisRestarts(t *testing.T) {
	server := servers.Redis(t)
	addr := server.Addr
	client := clientOf(t, addr)
	var logged lines
	r := New(client, mustNode(t, nodeName), Config{
		Addrs: []string{addr}, Prefix: "stompgw:", Heartbeat: 20 * time.Millisecond, Expiry: 10 * time.Second,
	}, slog.New(slog.NewTextHandler(&logged, nil)))
	for id := range registry.SessionID(10) {
		r.Add(session(id))
	}
	run(t, r)
	seen := func(want string) func() bool {
		return func() bool {
			got, err := listed(t.Context(), client)
			return err == nil && got == want
		}
	}
	eventually(t, "ten sessions in Redis", seen("0 1 2 3 4 5 6 7 8 9"))

	server.Kill()
	eventually(t, "the registry notices", func() bool { return r.Healthy() != nil })
	if err := r.Healthy(); !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "away") {
		t.Errorf("Healthy says %q, want the address and that Redis is away", err)
	}
	r.Remove(3)
	r.Add(session(10))
	server.Start(t)
	eventually(t, "whole again", seen("0 1 2 4 5 6 7 8 9 10"))
	eventually(t, "healthy again", func() bool { return r.Healthy() == nil })
	if n := logged.count("redis is away"); n != 1 {
		t.Errorf("%d lines say that Redis went away, want 1:\n%s", n, logged.String())
	}
	if n := logged.count("redis is back"); n != 1 {
		t.Errorf("%d lines say that Redis is back, want 1:\n%s", n, logged.String())
	}
}

// TestCluster: a Redis in cluster mode refuses what touches keys of several slots at once.
func TestCluster(t *testing.T) {
	addr := servers.Redis(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(servers.FreePort(t))).Addr
	ctx := t.Context()
	if err := clientOf(t, addr).Do(ctx, "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	client := NewClient([]string{addr, addr})
	defer client.Close()
	eventually(t, "the cluster is up", func() bool {
		info, err := client.ClusterInfo(ctx).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	r := newRegistry(t, client, nodeName)
	for id := range registry.SessionID(700) {
		r.Add(session(id))
	}
	beat(t, r)
	flush(t, r)
	r.Remove(0)
	flush(t, r)
	beat(t, r)
	if got, err := listed(ctx, client); err != nil || len(strings.Fields(got)) != 699 {
		t.Errorf("a reader sees %d sessions, %v; want 699", len(strings.Fields(got)), err)
	}
	r.leave(ctx)
	if got, err := listed(ctx, client); err != nil || got != "" {
		t.Errorf("after the node left a reader sees [%s], %v", got, err)
	}
}

// TestNothingBlocks: Redis takes connections and never answers.
func TestNothingBlocks(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	r := newRegistry(t, clientOf(t, ln.Addr().String()), nodeName)
	stop := run(t, r)
	for id := range registry.SessionID(10_000) {
		r.Add(session(id))
		r.Remove(id)
	}
	if n := held(r); n != 0 {
		t.Errorf("the book holds %d entries of sessions that ended, want 0", n)
	}
	if err := r.Healthy(); err == nil {
		t.Error("Healthy is nil and Redis has never answered")
	}
	stop()
}

// lines collects a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count(text string) int { return strings.Count(l.String(), text) }
