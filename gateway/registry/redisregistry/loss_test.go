package redisregistry

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestLost: what Redis lost is written again after one heartbeat, and what it has too much goes.
func TestLost(t *testing.T) {
	hash := func(bucket string) string { return "stompgw:sessions:" + nodeName + ":" + bucket }
	const shard = "stompgw:members:" + nodeName + ":8" // of member 42
	for _, tt := range []struct {
		name      string
		layout    Layout
		rewritten uint64
		harm      []any
	}{
		{"all of Redis flushed", Hashes, 3, []any{"FLUSHALL"}},
		{"one session lost", Hashes, 2, []any{"HDEL", hash("1"), nodeName + "_00000041"}},
		{"an ended session back", Hashes, 0, []any{"HSET", hash("1"), nodeName + "_00000081", "{}"}},
		{"a session in the wrong hash", Hashes, 0, []any{"HSET", hash("2"), nodeName + "_00000041", "{}"}},
		{"an empty hash back", Hashes, 0, []any{"HSET", hash("7"), nodeName + "_00000007", "{}"}},
		{"the index lost", Hashes, 3, []any{"DEL", shard}},
		{"a listing lost", Hashes, 3, []any{"ZREM", shard, "42\x0000000041"}},
		{"a listing back", Hashes, 0, []any{"ZADD", shard, 0, "42\x0000000081"}},
		{"a listing that is none", Hashes, 0, []any{"ZADD", shard, 0, "x"}},
		{"all keys flushed", Keys, 3, []any{"FLUSHALL"}},
		{"one key lost", Keys, 1, []any{"DEL", "stompgw:" + nodeName + "_00000041"}},
		{"the index beside keys lost", Keys, 3, []any{"DEL", "stompgw:stompgw:keys:" + strings.TrimPrefix(shard, "stompgw:")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, client redis.UniversalClient) {
				m := mapOf(client, tt.layout)
				r := indexed(t, m)
				publish(t, r, session(1), session(2), session(0x41))
				harmed(t, client, tt.harm)
				beat(t, r)
				flush(t, r)
				want := "1 41 2"
				if tt.layout == Keys {
					want = "1 2 41"
				}
				wantListed(t, m, want)
				wantMember(t, m, "42", "1 2 41")
				if n := r.Figures().Rewritten; n != tt.rewritten {
					t.Errorf("%d sessions were written again, want %d", n, tt.rewritten)
				}
				beat(t, r)
				if f := r.Figures(); f.Waiting != 0 || f.Rewritten != tt.rewritten {
					t.Errorf("a heartbeat later figures are %+v, want that all is well", f)
				}
			})
		})
	}
}

// TestHealthyMapIsLeftAlone: a heartbeat that finds all in order writes no session.
func TestHealthyMapIsLeftAlone(t *testing.T) {
	everywhere(t, func(t *testing.T, m Map) {
		r := newRegistryOn(t, m, nodeName, Config{Stored: func(registry.Session) {}})
		publish(t, r, many(200)...)
		r.Remove(7)
		r.Add(of("43", 8))
		flush(t, r)
		for range 3 {
			beat(t, r)
		}
		if changes, left := r.take(); left != pipelineChanges {
			t.Errorf("there is something to be written again: %+v", changes)
		}
	})
}

// TestBackAfterUnknownOutcome: a pipeline that failed may have arrived. The heartbeat that comes
// before its repetition must neither take the difference for a loss nor keep it for good.
func TestBackAfterUnknownOutcome(t *testing.T) {
	m := miniredis.RunT(t)
	client := clientOf(t, m.Addr())
	r := newRegistry(t, client, nodeName)
	r.Add(session(1))
	changes, _ := r.take()
	pipe := client.Pipeline()
	r.layout.queue(t.Context(), pipe, changes)
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost := errors.New("the answer was lost")
	r.layout.settle(lost)
	r.settle(&r.book.buckets[1], changes[1], lost)
	beat(t, r)
	if !m.Exists(r.names.sessions(nodeName, 1)) {
		t.Error("the heartbeat dropped a hash that was only unsure")
	}
	flush(t, r)
	beat(t, r)
	h := r.layout.(rows)[0]
	if f := r.Figures(); h.unsure[1] || h.length[1] != 1 || f.Rewritten != 0 {
		t.Errorf("after the repetition unsure is %v, the length %d and figures %+v, want false, 1 and nothing rewritten",
			h.unsure[1], h.length[1], f)
	}
}

// TestLateWrite: a pipeline that failed is carried out after its repetition, by a Redis that had stood
// still. Its value is not the last word.
func TestLateWrite(t *testing.T) {
	inBoth(t, func(t *testing.T, layout Layout) {
		server := miniredis.RunT(t)
		client := clientOf(t, server.Addr())
		m := mapOf(client, layout)
		r := indexed(t, m)
		publish(t, r)
		anonymous := of("", 1)
		r.Add(anonymous)
		server.SetError("LOADING the test says no")
		if _, err := r.write(t.Context()); err == nil {
			t.Fatal("write succeeded without Redis")
		}
		server.SetError("")
		r.Add(session(1))
		flush(t, r)

		late := (&place{node: r.node}).value(anonymous)
		if layout == Keys {
			client.Set(t.Context(), "stompgw:"+r.node.Key(1), late, r.cfg.Expiry)
		} else {
			client.HSet(t.Context(), r.names.sessions(nodeName, 1), r.node.Key(1), late)
		}
		for range 2 {
			beat(t, r)
			flush(t, r)
		}
		if s, err := NewReader(m).Find(t.Context(), r.node.Key(1)); err != nil || string(s.Value.MemberUID) != "42" {
			t.Errorf("session 1 has member %s, %v; want 42", s.Value.MemberUID, err)
		}
	})
}

// TestFailoverWithLostWrites: a replica takes over that missed the last writes, among them a session
// that came, one that ended and two logins, so that all lengths are right. The client finds it under
// the address of the master that was, as behind a proxy or a name.
func TestFailoverWithLostWrites(t *testing.T) {
	inBoth(t, func(t *testing.T, layout Layout) {
		first, second := newMaster(t), newMaster(t)
		client, moveTo := movingClient(t, first.Addr)
		m := mapOf(client, layout)
		r := indexed(t, m)
		publish(t, r, session(1), of("43", 2), session(0x41), session(0x42))
		replicate(t, first, second)

		r.Remove(0x41)
		r.Add(session(0x81)) // in the same hash
		r.Add(of("43", 1))
		r.Add(session(2))
		flush(t, r)
		beat(t, r)
		flush(t, r) // what a first replica made doubtful: it changes its master's history
		before := holdings(t, m)

		moveTo(second.Addr)
		first.Kill()
		bustest.Eventually(t, "Redis answers again", func() bool { return r.beat(t.Context()) == nil })
		flush(t, r)
		if after := holdings(t, m); !slices.Equal(after, before) {
			t.Errorf("after the fail-over a reader sees\n%s\nwant\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
		wantMember(t, m, "42", "2 42 81")
		wantMember(t, m, "43", "1")
		if layout == Hashes {
			if n := r.Figures().Rewritten; n != 4 { // 81 itself, and the sessions of the members that lack listings
				t.Errorf("%d sessions were lost and written again, want 4", n)
			}
			return
		}
		// What came back in the layout Keys is refreshed by nobody.
		if n := client.Exists(t.Context(), "stompgw:"+r.node.Key(0x41)).Val(); n != 1 {
			t.Fatal("the session that ended did not come back: the test tests nothing")
		}
		client.PExpire(t.Context(), "stompgw:"+r.node.Key(0x41), time.Millisecond)
		beat(t, r)
		bustest.Eventually(t, "it goes", func() bool { return client.Exists(t.Context(), "stompgw:"+r.node.Key(0x41)).Val() == 0 })
	})
}

// holdings is what a reader sees of the sessions that the book has, as text.
func holdings(t *testing.T, m Map) (all []string) {
	t.Helper()
	for s, err := range NewReader(m).Sessions(t.Context(), Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Layout == Hashes || s.ID != "00000041" {
			all = append(all, s.Key()+" "+string(s.Value.MemberUID))
		}
	}
	slices.Sort(all)
	return all
}

// newMaster starts a server that makes no replica wait for others.
func newMaster(t *testing.T) *servers.Process {
	t.Helper()
	return servers.Redis(t, "--repl-diskless-sync-delay", "0")
}

// replicate copies what one server has to another, which is its replica for that moment.
func replicate(t *testing.T, from, to *servers.Process) {
	t.Helper()
	host, port, _ := strings.Cut(from.Addr, ":")
	servers.RedisCLI(t, to, "REPLICAOF", host, port)
	bustest.Eventually(t, "the replica is in step", func() bool {
		return strings.Contains(servers.RedisCLI(t, to, "INFO", "replication"), "master_link_status:up") &&
			strings.HasPrefix(servers.RedisCLI(t, from, "WAIT", "1", "100"), "1")
	})
	servers.RedisCLI(t, to, "REPLICAOF", "NO", "ONE")
}

// movingClient returns a client of one server, and what makes its next connections go to another.
func movingClient(t *testing.T, addr string) (client redis.UniversalClient, moveTo func(addr string)) {
	t.Helper()
	var at atomic.Pointer[string]
	at.Store(&addr)
	options := *clientOf(t, addr).(*redis.Client).Options()
	options.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, *at.Load())
	}
	moving := redis.NewClient(&options)
	t.Cleanup(func() { moving.Close() })
	return moving, func(addr string) { at.Store(&addr) }
}

// TestSameProcessOtherHistory: a master that was a replica in between has lost writes without having
// ended, and connections to it may have stayed.
func TestSameProcessOtherHistory(t *testing.T) {
	first, second := newMaster(t), newMaster(t)
	client := clientOf(t, first.Addr)
	m := mapOf(client, Hashes)
	r := newRegistry(t, client, nodeName)
	publish(t, r, session(1), session(2))
	replicate(t, first, second)
	r.Remove(1)
	r.Add(session(0x41))
	flush(t, r)
	replicate(t, second, first) // that the first has what the second had
	beat(t, r)
	flush(t, r)
	wantListed(t, m, "41 2")
}

// TestDoubtStays: what was in doubt and could not be compared is compared at the next heartbeat.
func TestDoubtStays(t *testing.T) {
	server := miniredis.RunT(t)
	client := clientOf(t, server.Addr())
	m := mapOf(client, Hashes)
	r := newRegistry(t, client, nodeName)
	publish(t, r, session(1))
	// Of the same length, and the embedded Redis does not say who it is: only the outage makes it doubt.
	client.HDel(t.Context(), r.names.sessions(nodeName, 1), r.node.Key(1))
	client.HSet(t.Context(), r.names.sessions(nodeName, 1), r.node.Key(0x41), "{}")
	beat(t, r)
	wantFound(t, m, r.node.Key(1), false)

	server.SetError("LOADING the test says no")
	err := r.beat(t.Context())
	if r.report(err); err == nil {
		t.Fatal("a heartbeat succeeded without Redis")
	}
	server.SetError("")
	beat(t, r)
	flush(t, r)
	wantListed(t, m, "1")
}

func wantFound(t *testing.T, m Map, key string, want bool) {
	t.Helper()
	_, err := NewReader(m).Find(t.Context(), key)
	if err != nil && !errors.Is(err, ErrNotFound) || (err == nil) != want {
		t.Errorf("%s: %v; want it found: %v", key, err, want)
	}
}

// TestInfoRefused: a user that must not ask INFO is told once, and the rest works.
func TestInfoRefused(t *testing.T) {
	server := servers.Redis(t)
	servers.RedisCLI(t, server, "ACL", "SETUSER", "node", "on", ">secret", "~*", "&*", "+@all", "-info")
	client := clientWith(t, Options{Addrs: []string{server.Addr}, Login: Login{User: "node", Password: "secret"}})
	var logged bustest.Log
	r := New(mapOf(client, Hashes), mustNode(t, nodeName), Config{}, logTo(&logged))
	publish(t, r, session(1))
	beat(t, r)
	if n := strings.Count(logged.String(), "INFO"); n < 1 || strings.Count(logged.String(), "does not let this user ask") != 1 {
		t.Errorf("the log says\n%s\nwant one line about INFO", logged.String())
	}
	wantListed(t, mapOf(client, Hashes), "1")
}
