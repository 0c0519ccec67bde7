package redisregistry

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

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

// TestBytes holds the names and bytes that other tools read, and that nothing else is there: in the layout Keys what the
// replaced system's tools read, one key for each session, named and valued as theirs.
func TestBytes(t *testing.T) {
	const key = nodeName + "_00000041"
	for _, tt := range []struct {
		m    Map
		own  string
		read []any // the command that reads the session
	}{
		{Map{Prefix: "stompgw:"}, "stompgw:", []any{"HGET", "stompgw:sessions:" + nodeName + ":1", key}},
		{Map{Layout: Keys}, "stompgw:keys:", []any{"GET", key}},
		{Map{Prefix: "app:", Layout: Keys}, "stompgw:app:keys:", []any{"GET", "app:" + key}},
		{Map{Prefix: `a*[b]?\_`, Layout: Keys}, `stompgw:a*[b]?\_keys:`, []any{"GET", `a*[b]?\_` + key}},
	} {
		t.Run(string(tt.m.Layout)+" "+tt.m.Prefix, func(t *testing.T) {
			onBoth(t, func(t *testing.T, client redis.UniversalClient) {
				ctx, m := t.Context(), tt.m
				m.Client = like(client)
				r := indexed(t, m)
				publish(t, r, full(0x41))
				if got := client.Do(ctx, tt.read...).Val(); got != fullValue {
					t.Errorf("session 41 is\n%s, want\n%s", got, fullValue)
				}
				if got := client.SMembers(ctx, tt.own+"nodes").Val(); !slices.Equal(got, []string{nodeName}) {
					t.Errorf("the nodes are %q, want %q", got, nodeName)
				}
				members := tt.own + "members:" + nodeName + ":8" // the CRC-32 of "42" is 0x3224b088
				if got := client.ZRange(ctx, members, 0, -1).Val(); !slices.Equal(got, []string{"42\x0000000041"}) {
					t.Errorf("the index has %q, want session 41 of member 42", got)
				}
				keys := slices.Sorted(slices.Values(client.Keys(ctx, "*").Val()))
				if want := []string{tt.read[1].(string), tt.own + "alive:" + nodeName, members, tt.own + "nodes"}; !slices.Equal(keys, slices.Sorted(slices.Values(want))) {
					t.Errorf("Redis has the keys\n%q, want\n%q", keys, want)
				}
				for _, key := range keys {
					if ttl := client.PTTL(ctx, key).Val(); ttl <= 0 || ttl > r.cfg.Expiry {
						t.Errorf("%s expires in %s, want at most %s", key, ttl, r.cfg.Expiry)
					}
				}
				wantListed(t, m, "41")
				r.Remove(0x41)
				flush(t, r)
				if client.Exists(ctx, tt.read[1].(string)).Val() > 0 {
					t.Error("the session has ended and stands in Redis")
				}
			})
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
