package redisregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/registry"
)

func TestBlocks(t *testing.T) {
	everywhere(t, func(t *testing.T, m Map) {
		ctx := t.Context()
		blocks := NewBlocks(m)
		for member, d := range map[string]time.Duration{"42": time.Hour, `"bob"`: 2 * time.Hour} {
			if err := blocks.Add(ctx, member, d); err != nil {
				t.Fatal(err)
			}
		}
		if err := blocks.Add(ctx, "42", 3*time.Hour); err != nil {
			t.Fatal(err)
		}
		all, err := blocks.All(ctx)
		if err != nil || len(all) != 2 || all[0].Member != `"bob"` || all[1].Member != "42" {
			t.Fatalf("blocks are %+v, %v; want bob, then 42", all, err)
		}
		for i, longest := range []time.Duration{2 * time.Hour, 3 * time.Hour} {
			if left := all[i].Left; left > longest || left < longest-time.Minute {
				t.Errorf("%s is blocked for another %s, want about %s", all[i].Member, left, longest)
			}
		}
		for member, want := range map[string]bool{"42": true, "43": false, `"bob"`: true} {
			if was, err := blocks.Remove(ctx, member); err != nil || was != want {
				t.Errorf("removing %s says %v, %v; want %v", member, was, err, want)
			}
		}
		if all, err := blocks.All(ctx); err != nil || len(all) != 0 {
			t.Errorf("blocks are %+v, %v; want none", all, err)
		}
	})
}

// TestBlocksEnd: by the clock of Redis, which the test moves.
func TestBlocksEnd(t *testing.T) {
	server := miniredis.RunT(t)
	client := clientOf(t, server.Addr())
	blocks := NewBlocks(mapOf(client, Hashes))
	now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	server.SetTime(now)
	for member, d := range map[string]time.Duration{"1": time.Minute, "2": 2 * time.Minute} {
		if err := blocks.Add(t.Context(), member, d); err != nil {
			t.Fatal(err)
		}
	}
	server.SetTime(now.Add(time.Minute))
	if all, err := blocks.All(t.Context()); err != nil || !slices.Equal(all, []Block{{"2", time.Minute}}) {
		t.Errorf("blocks are %+v, %v; want that of 2 for another minute", all, err)
	}
	if was, err := blocks.Remove(t.Context(), "1"); err != nil || was {
		t.Errorf("removing a block that has ended says %v, %v; want that there was none", was, err)
	}
	if n := client.ZCard(t.Context(), "stompgw:blocked").Val(); n != 1 {
		t.Errorf("Redis keeps %d blocks, want 1", n)
	}
}

func TestBlocksRefused(t *testing.T) {
	blocks := NewBlocks(mapOf(clientOf(t, miniredis.RunT(t).Addr()), Hashes))
	for _, tt := range []Block{{"42", -time.Second}, {"42", 0}, {"42", time.Microsecond}, {"42", maxBlock + 1}, {"bob", time.Hour}} {
		if err := blocks.Add(t.Context(), tt.Member, tt.Left); err == nil {
			t.Errorf("a block of %s for %s is no error", tt.Member, tt.Left)
		}
	}
	if _, err := blocks.Remove(t.Context(), "bob"); !errors.Is(err, registry.ErrMember) {
		t.Errorf("the end of a block of bob, which is no JSON, gives %v", err)
	}
}

func TestTooManyBlocks(t *testing.T) {
	client := clientOf(t, miniredis.RunT(t).Addr())
	blocks := NewBlocks(mapOf(client, Hashes))
	var all []redis.Z
	for i := range MaxBlocks {
		all = append(all, redis.Z{Score: float64(time.Now().Add(time.Hour).UnixMilli()), Member: fmt.Sprint(i)})
	}
	client.ZAdd(t.Context(), "stompgw:blocked", all...)
	if err := blocks.Add(t.Context(), "-1", time.Hour); !errors.Is(err, ErrTooManyBlocks) {
		t.Errorf("one block more gives %v, want ErrTooManyBlocks", err)
	}
	if err := blocks.Add(t.Context(), "5", time.Hour); err != nil {
		t.Errorf("another time for a member that is blocked: %v", err)
	}
	if got, err := blocks.All(t.Context()); err != nil || len(got) != MaxBlocks {
		t.Errorf("there are %d blocks, %v; want %d", len(got), err, MaxBlocks)
	}
}

// TestBlockedIsTold: at the first heartbeat, when the list has changed, and when Refresh was called.
func TestBlockedIsTold(t *testing.T) {
	server := miniredis.RunT(t)
	client := clientOf(t, server.Addr())
	now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	server.SetTime(now)
	m := mapOf(client, Hashes)
	blocks := NewBlocks(m)
	var told []string
	r := newRegistryOn(t, m, nodeName, Config{Blocked: func(all []Block) { told = append(told, fmt.Sprint(all)) }})
	wantTold := func(what, want string, look func(ctx context.Context) error) {
		t.Helper()
		told = nil
		if err := look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(told, " and "); got != want {
			t.Errorf("%s: Blocked heard %q, want %q", what, got, want)
		}
	}
	heartbeat := func(what, want string) { t.Helper(); wantTold(what, want, r.beat) }
	heartbeat("first", "[]")
	heartbeat("nothing new", "")
	if err := blocks.Add(t.Context(), "42", time.Hour); err != nil {
		t.Fatal(err)
	}
	heartbeat("a block", "[{42 1h0m0s}]")
	heartbeat("the same", "")
	wantTold("Refresh", "[{42 1h0m0s}]", func(ctx context.Context) error { return r.tellBlocks(ctx, true) })
	server.SetTime(now.Add(time.Minute))
	heartbeat("a minute later", "")
	if err := blocks.Add(t.Context(), "42", time.Hour); err != nil {
		t.Fatal(err)
	}
	heartbeat("longer", "[{42 1h0m0s}]")
	client.ZAdd(t.Context(), "stompgw:blocked", redis.Z{Score: float64(now.Add(2 * time.Hour).UnixMilli()), Member: "bob"})
	heartbeat("a block that is none", "[{42 1h0m0s}]")
	if _, err := blocks.All(t.Context()); err == nil || !strings.Contains(err.Error(), "stompgw:blocked") {
		t.Errorf("a block that is none gives %v, want an error that names the key", err)
	}
	server.SetTime(now.Add(3 * time.Hour))
	heartbeat("all have ended", "[]")
	if server.Exists("stompgw:blocked") {
		t.Error("blocks that have ended stay in Redis")
	}
	server.FlushAll()
	heartbeat("Redis emptied", "")
}

// TestRefresh: when it returns the node knows the blocks that were there before, whoever else asks.
func TestRefresh(t *testing.T) {
	server := miniredis.RunT(t)
	m := mapOf(clientOf(t, server.Addr()), Hashes)
	known := make(chan []Block, 1)
	known <- nil
	r := newRegistryOn(t, m, nodeName, Config{Heartbeat: time.Hour, Blocked: func(all []Block) { <-known; known <- all }})
	stop := run(t, r)
	bustest.Eventually(t, "the first heartbeat", func() bool { return r.Healthy() == nil })
	var askers sync.WaitGroup
	for i := range 8 {
		askers.Go(func() {
			member := fmt.Sprint(i)
			if err := NewBlocks(m).Add(t.Context(), member, time.Hour); err != nil {
				t.Error(err)
			}
			if err := r.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			all := <-known
			known <- all
			if !slices.ContainsFunc(all, func(b Block) bool { return b.Member == member }) {
				t.Errorf("Refresh returns and the node knows of %v, without %s", all, member)
			}
		})
	}
	askers.Wait()

	server.SetError("LOADING the test says no")
	if err := r.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "the test says no") {
		t.Errorf("Redis is away and Refresh says %v", err)
	}
	server.SetError("")
	if err := r.Refresh(t.Context()); err != nil || len(<-known) != 8 {
		t.Errorf("Redis is back and Refresh says %v", err)
	}
	known <- nil
	stop()
	if err := r.Refresh(t.Context()); !errors.Is(err, errEnded) {
		t.Errorf("the node has ended and Refresh says %v, want errEnded", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newRegistry(t, nil, nodeName).Refresh(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody runs the registry, and Refresh says %v when its context has ended", err)
	}
}
