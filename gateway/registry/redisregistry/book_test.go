package redisregistry

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/stompgw/stompgw/gateway/registry"
)

// sessionBudget is what the book may cost for each session, in bytes.
const sessionBudget = 250

// TestBytesPerSession measures the heap that sessions take once Redis has been told of them. Maps
// grow by doubling, so it looks at several sizes.
func TestBytesPerSession(t *testing.T) {
	for _, sessions := range []int{5_000, 19_000, 30_000, 100_000} {
		r := newRegistry(t, nil, nodeName)
		s := session(0)
		s.Remote = netip.MustParseAddrPort("192.0.2.7:40001")
		before := heap()
		for id := range registry.SessionID(sessions) {
			s.ID = id
			r.Add(s)
		}
		for i := range r.book.buckets {
			b := &r.book.buckets[i]
			b.settle(b.take(sessions), true)
		}
		each := float64(heap()-before) / float64(sessions)
		t.Logf("%d sessions: %.0f bytes each", sessions, each)
		if each > sessionBudget {
			t.Errorf("%d sessions take %.0f bytes each, want at most %d", sessions, each, sessionBudget)
		}
		runtime.KeepAlive(r)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one only finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkAddRemove is what a connection costs its loop.
func BenchmarkAddRemove(b *testing.B) {
	r := newRegistry(b, nil, nodeName)
	s := session(0)
	b.ReportAllocs()
	for b.Loop() {
		s.ID++
		r.Add(s)
		r.Remove(s.ID)
	}
}
