package redisregistry

import (
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

// flatness is how much the heap may grow while very many sessions are listed, in bytes. The headers of their
// keys alone, of 16 bytes each, take more.
const flatness = 1 << 20

// TestManySessions lists a hundred thousand sessions, which were written straight to Redis, in fifty pages. Memory
// does not grow with them.
func TestManySessions(t *testing.T) {
	const sessions = 100_000
	inBoth(t, func(t *testing.T, layout Layout) {
		m := mapOf(clientOf(t, servers.Redis(t).Addr), layout)
		fill(t, m, sessions)
		seen := make([]bool, sessions)
		page := sessions / 50
		before, most := heap(), int64(0)
		reader, q := NewReader(m), Query{}
		for n := page; n == page; {
			n = 0
			for s, err := range reader.Sessions(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				id, err := registry.ParseSessionID(s.ID)
				if err != nil || seen[id] {
					t.Fatalf("session %s comes again, or is none: %v", s.ID, err)
				}
				seen[id], q.After = true, s.Cursor
				if n++; n == page/2 {
					most = max(most, heap()-before)
				}
				if n == page {
					break
				}
			}
		}
		if id := slices.Index(seen, false); id >= 0 {
			t.Fatalf("session %d is in no page", id)
		}
		t.Logf("the heap grew by %d KiB", most>>10)
		if most > flatness {
			t.Errorf("the heap grew by %d bytes, want at most %d", most, flatness)
		}
	})
}

// fill writes the sessions of one live node straight to Redis.
func fill(t testing.TB, m Map, sessions int) {
	t.Helper()
	r := newRegistryOn(t, m, nodeName, Config{})
	if err := r.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	const atOnce = 8_000
	for first := 0; first < sessions; first += atOnce {
		var pairs [buckets][]any
		for n := first; n < min(sessions, first+atOnce); n++ {
			id := registry.SessionID(n)
			pairs[bucketOf(id)] = append(pairs[bucketOf(id)], r.node.Key(id), strings.ReplaceAll(contractValue, "00000041", id.String()))
		}
		pipe := m.Client.Redis().Pipeline()
		for i, some := range pairs {
			if m.Layout == Hashes {
				pipe.HSet(t.Context(), r.names.sessions(nodeName, i), some...)
				continue
			}
			for k := 0; k < len(some); k += 2 {
				some[k] = m.Prefix + some[k].(string)
			}
			pipe.MSet(t.Context(), some...)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
