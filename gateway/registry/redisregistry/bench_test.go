package redisregistry

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

// benchSessions is how many sessions a node has in the benchmarks, each of another member.
const benchSessions = 100_000

// onLayouts runs a benchmark on a redis-server of its own, in both layouts, and in that of keys with an
// index of members too.
func onLayouts(b *testing.B, bench func(b *testing.B, r *Registry, m Map, server *servers.Process)) {
	for _, tt := range []struct {
		name   string
		layout Layout
		stored func(registry.Session)
	}{
		{"hashes", Hashes, nil},
		{"keys", Keys, nil},
		{"keys with members", Keys, func(registry.Session) {}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			server := servers.Redis(b)
			m := mapOf(clientOf(b, server.Addr), tt.layout)
			r := newRegistryOn(b, m, nodeName, Config{Stored: tt.stored})
			publish(b, r)
			bench(b, r, m, server)
		})
	}
}

// connect adds sessions.
func connect(r *Registry, sessions int) {
	for id := range registry.SessionID(sessions) {
		s := full(id)
		s.Member = strconv.Itoa(1_000_000 + int(id))
		r.Add(s)
	}
}

// BenchmarkHeartbeat is one of a node with 100,000 sessions: how long it takes, and how long Redis works.
// It also says how much of Redis' memory each session takes.
func BenchmarkHeartbeat(b *testing.B) {
	onLayouts(b, func(b *testing.B, r *Registry, _ Map, server *servers.Process) {
		empty := infoOf(b, server, "memory", "used_memory")
		connect(r, benchSessions)
		flush(b, r)
		full := infoOf(b, server, "memory", "used_memory")
		worked := workOf(b, server)
		for b.Loop() {
			beat(b, r)
		}
		b.ReportMetric((workOf(b, server)-worked).Seconds()*1e3/float64(b.N), "redis-ms/op")
		b.ReportMetric((full-empty)/benchSessions, "redis-B/session")
	})
}

// BenchmarkRegister is a reconnect storm: 15,000 sessions that come at once.
func BenchmarkRegister(b *testing.B) {
	onLayouts(b, func(b *testing.B, r *Registry, _ Map, server *servers.Process) {
		const storm = 15_000
		var worked time.Duration
		for b.Loop() {
			b.StopTimer()
			before := workOf(b, server)
			b.StartTimer()
			connect(r, storm)
			flush(b, r)
			b.StopTimer()
			worked += workOf(b, server) - before
			for id := range registry.SessionID(storm) {
				r.Remove(id)
			}
			flush(b, r)
			b.StartTimer()
		}
		sessions := float64(b.N) * storm
		b.ReportMetric(sessions/b.Elapsed().Seconds(), "sessions/s")
		b.ReportMetric(worked.Seconds()*1e6/sessions, "redis-us/session")
	})
}

// BenchmarkList reads what commands show of 100,000 sessions: the first, all, those of a member by the index,
// and how many.
func BenchmarkList(b *testing.B) {
	onLayouts(b, func(b *testing.B, r *Registry, m Map, _ *servers.Process) {
		connect(r, benchSessions)
		flush(b, r)
		for _, n := range []int{100, benchSessions} {
			b.Run(fmt.Sprint("first ", n), func(b *testing.B) {
				for b.Loop() {
					readSome(b, NewReader(m).Sessions(b.Context(), Query{}), n)
				}
			})
		}
		if m.Layout == Hashes || r.cfg.Stored != nil {
			b.Run("of a member", func(b *testing.B) {
				for b.Loop() {
					if all, err := NewReader(m).Member(b.Context(), "1000042"); err != nil || len(all) != 1 {
						b.Fatalf("the member has %d sessions, %v", len(all), err)
					}
				}
			})
		}
		b.Run("count", func(b *testing.B) {
			for b.Loop() {
				if nodes, err := NewReader(m).Nodes(b.Context()); err != nil || len(nodes) != 1 || nodes[0].Sessions != benchSessions {
					b.Fatalf("nodes are %+v, %v", nodes, err)
				}
			}
		})
	})
}

// readSome reads n sessions.
func readSome(b *testing.B, sessions iter.Seq2[Session, error], n int) {
	b.Helper()
	seen := 0
	for _, err := range sessions {
		if err != nil {
			b.Fatal(err)
		}
		if seen++; seen == n {
			return
		}
	}
	b.Fatalf("there are %d sessions, want %d", seen, n)
}

// workOf is how long a redis-server has worked, by the clock of its processor.
func workOf(b *testing.B, server *servers.Process) time.Duration {
	b.Helper()
	user, sys := infoOf(b, server, "cpu", "used_cpu_user"), infoOf(b, server, "cpu", "used_cpu_sys")
	return time.Duration((user + sys) * float64(time.Second))
}

func infoOf(b *testing.B, server *servers.Process, section, name string) float64 {
	b.Helper()
	_, rest, _ := strings.Cut(servers.RedisCLI(b, server, "INFO", section), "\n"+name+":")
	text, _, _ := strings.Cut(rest, "\r")
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.Fatal(err)
	}
	return value
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
