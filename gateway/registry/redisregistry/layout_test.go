package redisregistry

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

// full is a session with all that a session may have.
func full(id registry.SessionID) registry.Session {
	s := session(id)
	s.Remote = netip.MustParseAddrPort("192.0.2.7:40001")
	s.Expires = time.Date(2025, 2, 3, 15, 5, 6, 0, time.UTC)
	return s
}

// fullValue is what Redis has of full(0x41).
const fullValue = `{"connectDatetime":"2025_02_03_T_14_05_06_789_KST",` +
	`"serverUuid":"` + nodeName + `",` +
	`"principalUserName":"` + nodeName + `/00000041/2025_02_03_T_14_05_06_789_KST",` +
	`"memberUid":42,"transport":"websocket","remoteAddress":"192.0.2.7:40001","version":"1.2",` +
	`"connectedAt":"2025-02-03T14:05:06.789+09:00","tokenExpiresAt":"2025-02-04T00:05:06+09:00"}`

// contractValue is fullValue without what stompgw adds to the contract's fields.
var contractValue = fullValue[:strings.Index(fullValue, `,"transport"`)] + "}"

// TestHashesBytes holds the names and bytes that other tools read.
func TestHashesBytes(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		r := newRegistry(t, client, nodeName)
		publish(t, r, full(0x41))

		ctx := t.Context()
		if got := client.SMembers(ctx, "stompgw:nodes").Val(); len(got) != 1 || got[0] != nodeName {
			t.Errorf("stompgw:nodes is %q, want %q", got, nodeName)
		}
		if got := client.HGet(ctx, "stompgw:sessions:"+nodeName+":1", nodeName+"_00000041").Val(); got != fullValue {
			t.Errorf("session 41 is\n%s, want\n%s", got, fullValue)
		}
		const shard = "8" // the CRC-32 of "42" is 0x3224b088
		if got := client.ZRange(ctx, "stompgw:members:"+nodeName+":"+shard, 0, -1).Val(); len(got) != 1 || got[0] != "42\x0000000041" {
			t.Errorf("the index has %q, want session 41 of member 42", got)
		}
		keys := client.Keys(ctx, "*").Val()
		if len(keys) != 4 {
			t.Errorf("Redis has the keys %q, want 4", keys)
		}
		for _, key := range keys {
			if ttl := client.PTTL(ctx, key).Val(); ttl <= 0 || ttl > r.cfg.Expiry {
				t.Errorf("%s expires in %s, want at most %s", key, ttl, r.cfg.Expiry)
			}
		}
	})
}

// TestKeysBytes reads back with redis-cli what the replaced system's tools read: one key for each
// session, named and valued as theirs, and nothing else that has the form of such a key.
func TestKeysBytes(t *testing.T) {
	for _, prefix := range []string{"", "app:", "a*[b]?\\_"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			server := servers.Redis(t)
			m := Map{Client: like(clientOf(t, server.Addr)), Prefix: prefix, Layout: Keys}
			r := indexed(t, m)
			publish(t, r, full(0x41))

			key := prefix + nodeName + "_00000041"
			if got := servers.RedisCLI(t, server, "GET", key); got != fullValue+"\n" {
				t.Errorf("%s is\n%s, want\n%s", key, got, fullValue)
			}
			if got := servers.RedisCLI(t, server, "PTTL", key); strings.HasPrefix(got, "-") {
				t.Errorf("%s never expires: PTTL is %s", key, got)
			}
			keys := strings.Fields(servers.RedisCLI(t, server, "KEYS", "*"))
			slices.Sort(keys)
			own := "stompgw:" + prefix + "keys:"
			want := []string{key, own + "alive:" + nodeName, own + "members:" + nodeName + ":8", own + "nodes"}
			slices.Sort(want)
			if !slices.Equal(keys, want) {
				t.Errorf("Redis has the keys\n%q, want\n%q", keys, want)
			}
			wantListed(t, m, "41")
			r.Remove(0x41)
			flush(t, r)
			if got := servers.RedisCLI(t, server, "EXISTS", key); got != "0\n" {
				t.Errorf("after the session has ended EXISTS is %s", got)
			}
		})
	}
}

// TestKeysWithoutIndex: nobody asks for the sessions of a member, so there is no index.
func TestKeysWithoutIndex(t *testing.T) {
	server := miniredis.RunT(t)
	m := mapOf(clientOf(t, server.Addr()), Keys)
	r := newRegistryOn(t, m, nodeName, Config{})
	publish(t, r, session(1))
	if keys := server.Keys(); len(keys) != 3 {
		t.Errorf("Redis has %q, want the node and one session", keys)
	}
	if got, err := listed(t.Context(), m, Query{Member: "42"}); err != nil || got != "1" {
		t.Errorf("a query for member 42 has [%s], %v; want session 1", got, err)
	}
}

// TestOwn: what is stompgw's alone is never taken for a session, and each layout and prefix has its own.
func TestOwn(t *testing.T) {
	for _, tt := range []struct {
		m    Map
		want string
	}{
		{Map{Prefix: "stompgw:"}, "stompgw:"}, // the default,
		{Map{Prefix: "a:"}, "a:"},
		{Map{Prefix: "a:", Layout: Hashes}, "a:"},
		{Map{}, "stompgw:hashes:"},
		{Map{Layout: Keys}, "stompgw:keys:"},
		{Map{Prefix: "a:", Layout: Keys}, "stompgw:a:keys:"},
		{Map{Prefix: "stompgw:", Layout: Keys}, "stompgw:stompgw:keys:"},
	} {
		if got := tt.m.Own(); got != tt.want {
			t.Errorf("%+v has its own under %q, want %q", tt.m, got, tt.want)
		}
	}
}

// TestNodeThatDiesEarly: all of a node goes, although it never came to a second heartbeat, or never
// to a first.
func TestNodeThatDiesEarly(t *testing.T) {
	inBoth(t, func(t *testing.T, layout Layout) {
		for name, beats := range map[string]int{"before its first heartbeat": 0, "after it": 1} {
			t.Run(name, func(t *testing.T) {
				server := miniredis.RunT(t)
				m := mapOf(clientOf(t, server.Addr()), layout)
				r := indexed(t, m)
				for range beats {
					beat(t, r)
				}
				r.Add(session(1))
				flush(t, r)
				if keys := server.Keys(); len(keys) < 2 {
					t.Fatalf("Redis has only %q", keys)
				}
				server.FastForward(r.cfg.Expiry + time.Millisecond)
				if keys := server.Keys(); len(keys) != 0 {
					t.Errorf("a dead node left %q", keys)
				}
			})
		}
	})
}

// TestExpiriesMove: a heartbeat moves those of all that stands in Redis.
func TestExpiriesMove(t *testing.T) {
	onMini(t, func(t *testing.T, m Map, server *miniredis.Miniredis) {
		r := indexed(t, m)
		publish(t, r, many(1200)...)
		for range 3 {
			server.FastForward(r.cfg.Expiry - time.Millisecond)
			beat(t, r)
		}
		if f := r.Figures(); f.Rewritten != 0 || f.Waiting != 0 {
			t.Errorf("figures are %+v: something had expired", f)
		}
		if !counts(t, m, 1200) {
			t.Error("there are not 1200 sessions")
		}
	})
}
