package redisregistry

import (
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stompgw/stompgw/gateway/registry"
)

// sessionBudget is what the book may cost for each session, in bytes.
const sessionBudget = 180

// TestBytesPerSession measures the heap that sessions take once Redis has been told of them. Maps
// grow by doubling, so it looks at several sizes.
func TestBytesPerSession(t *testing.T) {
	if size := unsafe.Sizeof(entry{}); size != 56 {
		t.Errorf("an entry has %d bytes, want 56", size)
	}
	for _, sessions := range []int{5_000, 19_000, 30_000, 100_000} {
		r := newRegistry(t, nil, nodeName)
		s := full(0)
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

// TestEntry: the book gives back what it was given, but for the fractions of a token's seconds.
func TestEntry(t *testing.T) {
	for _, remote := range []string{"192.0.2.7:40001", "[2001:db8::1]:1", "[::ffff:192.0.2.7]:65535", "[fe80::1%eth0]:2", "[::]:0", "0.0.0.0:0", ""} {
		for _, expires := range []time.Time{{}, time.Unix(1, 0), time.Unix(1<<32-1, 0), time.Unix(1<<32, 0), time.Unix(1738571106, 999), lastExpiry} {
			s := session(7)
			s.Expires = expires
			if remote != "" {
				s.Remote = netip.MustParseAddrPort(remote)
			}
			want := s
			if want.Expires = expires.Truncate(time.Second).In(s.ConnectedAt.Location()); expires.IsZero() {
				want.Expires = time.Time{}
			}
			if got := newEntry(s).session(7); got != want {
				t.Errorf("the book gives back\n%+v, want\n%+v", got, want)
			}
		}
	}
	for _, expires := range []time.Time{time.Unix(1<<60, 0), time.Unix(-5, 0), lastExpiry.Add(72 * time.Hour)} { // no times of RFC 3339
		s := session(7)
		s.Expires = expires
		got := newEntry(s).session(7)
		if text := (&place{node: mustNode(t, nodeName)}).value(got); len(text) == 0 || got.Expires.IsZero() {
			t.Errorf("a token that expires at %v is %+v in the book, and %q in Redis", expires, got, text)
		}
	}
}

// TestStaleMembers: whatever becomes of a session while a change of it is on its way, the index ends
// up with its last member, or with none.
func TestStaleMembers(t *testing.T) {
	const a, b, c = "1", "2", "3"
	for _, tt := range []struct {
		name     string
		before   string   // the member that Redis is told of first
		inFlight []string // logins while that is on its way; "-" is the end of the session
		ok       bool     // whether it arrives
	}{
		{"another login", a, []string{b}, true},
		{"another login, and it fails", a, []string{b}, false},
		{"there and back", a, []string{b, a}, true},
		{"there and back, and it fails", a, []string{b, a}, false},
		{"several", a, []string{b, c, b, a, c}, true},
		{"the end", a, []string{"-"}, true},
		{"a login and the end", a, []string{b, "-"}, true},
		{"a login and the end, and it fails", a, []string{b, "-"}, false},
		{"from anonymous", "", []string{b}, true},
		{"to anonymous", a, []string{""}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRegistry(t, nil, nodeName)
			k := &r.book.buckets[1]
			listed := make(map[string]bool) // what the index has, given that failed changes have arrived
			redis := func(ch change) {
				for _, l := range slices.Concat(ch.unlist, ch.drop) {
					delete(listed, l.member)
				}
				for _, s := range ch.put {
					if s.Member != "" {
						listed[s.Member] = true
					}
				}
			}
			r.Add(of(tt.before, 1))
			first := k.take(10)
			for _, member := range tt.inFlight {
				if member == "-" {
					r.Remove(1)
				} else {
					r.Add(of(member, 1))
				}
			}
			redis(first)
			k.settle(first, tt.ok)
			second := k.take(10)
			redis(second)
			k.settle(second, true)

			want := tt.inFlight[len(tt.inFlight)-1]
			if want == "-" {
				want = ""
			}
			if want == "" && len(listed) != 0 || want != "" && (len(listed) != 1 || !listed[want]) {
				t.Errorf("the index has the session under %v, want %q", listed, want)
			}
			if len(k.stale) != 0 || len(k.dirty) != 0 {
				t.Errorf("the bucket keeps stale %v and dirty %v", k.stale, k.dirty)
			}
		})
	}
}
