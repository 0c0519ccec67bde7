package redisregistry

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

func TestAddAndRemove(t *testing.T) {
	inBoth(t, func(t *testing.T, layout Layout) {
		onBoth(t, func(t *testing.T, client redis.UniversalClient) {
			m := mapOf(client, layout)
			r := indexed(t, m)
			publish(t, r, many(1200)...)
			for id := range registry.SessionID(1200) {
				if id != 0x41 && id != 0x42 && id != 0x43 {
					r.Remove(id)
				}
			}
			r.Remove(5000)
			r.Remove(1)
			flush(t, r)
			wantListed(t, m, "41 42 43")
			r.Add(of(`"bob"`, 0x42))
			flush(t, r)
			beat(t, r)
			s, err := NewReader(m).Find(t.Context(), r.node.Key(0x42))
			if err != nil || string(s.Value.MemberUID) != `"bob"` {
				t.Errorf("session 42 is %+v, %v; want member bob", s.Value, err)
			}
			wantListed(t, m, "41 42 43")
			wantMember(t, m, "42", "41 43")
			wantMember(t, m, `"bob"`, "42")
			if f := r.Figures(); f.Sessions != 3 || f.Waiting != 0 || f.Rewritten != 0 {
				t.Errorf("figures are %+v, want 3 sessions and no more", f)
			}
			if n := held(r); n != 3 {
				t.Errorf("the book holds %d entries, want 3", n)
			}
		})
	})
}

// held is how much a book keeps in its maps.
func held(r *Registry) (n int) {
	for i := range r.book.buckets {
		b := &r.book.buckets[i]
		n += len(b.entries) + len(b.dirty) + len(b.stale)
	}
	return n
}

// TestMembersOfAllKinds: what a token may say is found again, however it is written. What is no JSON of a member
// makes a session of nobody, which does not hold up the others of its pipeline.
func TestMembersOfAllKinds(t *testing.T) {
	m := mapOf(clientOf(t, miniredis.RunT(t).Addr()), Hashes)
	r := newRegistryOn(t, m, nodeName, Config{})
	for id, member := range []string{"0", "-5", "9223372036854775807", `"42"`, `"a b"`, `"<é>"`, `"a\u0000b"`,
		"bob", "{}", `"`, `""`, "007", "1.5", strings.Repeat("1", 30), `"` + strings.Repeat("x", 2000) + `"`} {
		r.Add(of(member, registry.SessionID(id)))
	}
	publish(t, r)
	wantListed(t, m, "0 1 2 3 4 5 6 7 8 9 a b c d e")
	for member, want := range map[string]string{
		"0": "0", "-5": "1", "9223372036854775807": "2", `"42"`: "3", "42": "", `"a b"`: "4", `"a"`: "",
		`"\u003cé>"`: "5", `"a\u0000b"`: "6",
	} {
		wantMember(t, m, member, want)
		if got, err := listed(t.Context(), m, Query{Member: member}); err != nil || got != want {
			t.Errorf("a query for member %s has [%s], %v; want [%s]", member, got, err, want)
		}
	}
	for _, s := range walk(t, m, Query{}, 1<<30)[7:] {
		if string(s.Value.MemberUID) != "null" {
			t.Errorf("session %s has member %s, want none", s.ID, s.Value.MemberUID)
		}
	}
	if _, err := NewReader(m).Member(t.Context(), "bob"); err == nil {
		t.Error("a member that is no JSON is no error")
	}
}

// TestSessionsWhileRedisIsAway: they wait in memory, and one that ended meanwhile leaves no trace.
func TestSessionsWhileRedisIsAway(t *testing.T) {
	onMini(t, func(t *testing.T, m Map, server *miniredis.Miniredis) {
		r := indexed(t, m)
		publish(t, r, session(1), session(2))

		server.SetError("LOADING the test says no")
		add(r, session(3), session(4))
		if _, err := r.write(t.Context()); err == nil {
			t.Fatal("write succeeded without Redis")
		}
		r.Remove(1) // stored
		r.Remove(3) // sent, and nobody knows whether it arrived
		r.Add(session(5))
		r.Remove(5) // never sent
		if f := r.Figures(); f.Sessions != 2 || f.Waiting != 3 {
			t.Errorf("figures are %+v, want 2 sessions and 3 changes that wait", f)
		}
		server.SetError("")

		flush(t, r)
		beat(t, r)
		wantListed(t, m, "2 4")
		wantMember(t, m, "42", "2 4")
		if n := held(r); n != 2 {
			t.Errorf("the book holds %d entries, want 2", n)
		}
	})
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

// TestNoBucketStarves: while more changes of one bucket come than Redis takes, the others have their turn.
func TestNoBucketStarves(t *testing.T) {
	r := newRegistry(t, nil, nodeName)
	add(r, many(buckets)...)
	taken := make(map[int]bool)
	for range 2 {
		for n := range registry.SessionID(pipelineChanges) {
			r.Add(session(n * buckets))
		}
		changes, _ := r.take()
		for i, c := range changes {
			if c.len() > 0 {
				taken[i] = true
			}
		}
	}
	if len(taken) != buckets {
		t.Errorf("two pipelines had changes of %d buckets, want %d", len(taken), buckets)
	}
}

// TestStored: it is told of each session and member once, when Redis has it, not when it is written
// again.
func TestStored(t *testing.T) {
	onMini(t, func(t *testing.T, m Map, server *miniredis.Miniredis) {
		var told []string
		r := newRegistryOn(t, m, nodeName, Config{Stored: func(s registry.Session) {
			told = append(told, s.ID.String()[7:]+":"+s.Member)
		}})
		want := func(when, want string) {
			t.Helper()
			if got := strings.Join(told, " "); got != want {
				t.Errorf("%s Stored heard [%s], want [%s]", when, got, want)
			}
			told = nil
		}
		add(r, session(1), of("", 2))
		want("before Redis has anything", "")
		server.SetError("LOADING the test says no")
		if _, err := r.write(t.Context()); err == nil {
			t.Fatal("write succeeded without Redis")
		}
		want("when Redis is away", "")
		server.SetError("")
		publish(t, r)
		want("after a member came", "1:42")
		add(r, session(1), session(2))
		flush(t, r)
		want("after a login", "2:42")
		r.Add(of(`"bob"`, 1))
		flush(t, r)
		want("after another login", `1:"bob"`)
		server.FlushAll()
		beat(t, r)
		flush(t, r)
		want("after Redis was emptied", "")
		wantListed(t, m, "1 2")
		wantMember(t, m, `"bob"`, "1")
	})
}

// run starts r and returns what ends it and waits for it.
func run(t testing.TB, r *Registry) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
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

// TestRunLeavesNothing: Run writes what takes many pipelines, and at its end takes it all away, also
// what ended a moment before.
func TestRunLeavesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, m Map) {
		client := m.Client.Redis()
		r := indexed(t, m)
		const sessions = 2*pipelineChanges + 1
		add(r, many(sessions)...)
		stop := run(t, r)
		bustest.Eventually(t, "all sessions in Redis", func() bool { // to count keys takes long
			return r.Figures().Waiting == 0 && counts(t, m, sessions)
		})
		r.Remove(1)
		stop()
		if keys := client.Keys(t.Context(), "*").Val(); len(keys) != 0 {
			t.Errorf("a node that ended left %q", keys[:min(5, len(keys))])
		}
	})
}

// TestNothingBlocks: Redis takes connections and never answers.
func TestNothingBlocks(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client := NewClient(Options{Addrs: []string{ln.Addr().String()}}).Redis() // which gives up early
	defer client.Close()
	r := newRegistry(t, client, nodeName)
	stop := run(t, r)
	for id := range registry.SessionID(10_000) {
		r.Add(session(id))
		r.Remove(id)
	}
	if n := held(r); n != 0 {
		t.Errorf("the book holds %d entries of sessions that ended, want 0", n)
	}
	if err := r.Healthy(); err == nil || !r.Figures().Away {
		t.Error("Healthy is nil and Redis has never answered")
	}
	stop()
}

// TestRedisRestarts: an empty Redis comes back on the same port, under 10,000 sessions. The node says
// that it is away, goes on, and is whole again, less what ended in between.
func TestRedisRestarts(t *testing.T) {
	inBoth(t, func(t *testing.T, layout Layout) {
		server := servers.Redis(t)
		addr := server.Addr
		m := mapOf(clientOf(t, addr), layout)
		var logged bustest.Log
		r := New(m, mustNode(t, nodeName), Config{
			Addrs: []string{addr}, Heartbeat: 50 * time.Millisecond, Expiry: time.Minute,
		}, slog.New(slog.NewTextHandler(&logged, nil)))
		const sessions = 10_000
		add(r, many(sessions)...)
		run(t, r)
		bustest.Eventually(t, "all sessions in Redis", func() bool { return counts(t, m, sessions) })

		server.Kill()
		bustest.Eventually(t, "the registry notices", func() bool { return r.Healthy() != nil })
		if err := r.Healthy(); !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "away") {
			t.Errorf("Healthy says %q, want the address and that Redis is away", err)
		}
		r.Remove(3)
		r.Remove(4)
		r.Add(session(sessions))
		server.Start(t)
		bustest.Eventually(t, "whole again", func() bool { return counts(t, m, sessions-1) })
		bustest.Eventually(t, "healthy again", func() bool { return r.Healthy() == nil })
		for id, want := range map[registry.SessionID]bool{3: false, 4: false, 5: true, sessions: true} {
			wantFound(t, m, r.node.Key(id), want)
		}
		const least = sessions - 2 - pipelineChanges // of the last pipeline before, the answer may have been lost
		if n := r.Figures().Rewritten; n < least {
			t.Errorf("%d sessions were written again, want %d at least", n, least)
		}
		for _, line := range []string{"redis is away", "redis is back"} {
			if n := strings.Count(logged.String(), line); n != 1 {
				t.Errorf("%d lines say %q, want 1:\n%s", n, line, logged.String())
			}
		}
	})
}
