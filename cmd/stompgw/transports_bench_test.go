package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

const (
	turns           = 3    // in which the transports alternate, so that a slow minute of the machine meets them all
	idleClients     = 5000 // below what a process may open by default nearly everywhere
	fanOutClients   = 1000
	warmingClients  = 100 // that are there before memory is read first
	settledReadings = 4   // of memory that say the same
)

// BenchmarkTransports measures what a client costs the gateway over each transport: the memory of one
// that is subscribed and idle, and the CPU time of a delivery in a fan-out. The gateway is a process of
// its own, with the embedded NATS server in it and a Redis beside it. It fails on a message that is
// lost, repeated or out of order. PERFORMANCE.md has the medians of its turns:
//
//	benchstat -row .name,/transport,/window -ignore /turn
func BenchmarkTransports(b *testing.B) {
	redis := servers.Redis(b).Addr
	for turn := range turns {
		for _, t := range transports() {
			name := fmt.Sprintf("idle/turn=%d/transport=%s", turn, t.name)
			b.Run(name, func(b *testing.B) { idle(b, redis, t) })
		}
	}
	n, web := startWeb(b, redis)
	for turn := range turns {
		for _, t := range transports() {
			name := fmt.Sprintf("fanout/turn=%d/transport=%s", turn, t.name)
			b.Run(name, func(b *testing.B) {
				c := gather(b, n, web, t, fmt.Sprintf("%s-%d", t.name, turn), fanOutClients)
				for _, window := range []int{8, 1} {
					if !b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) { fanOut(b, n, c, t, window) }) {
						return
					}
				}
				c.publish(b, 1, 1) // what was repeated comes before it
			})
		}
	}
}

// startWeb starts a node and returns its address for HTTP too.
func startWeb(b *testing.B, redis string) (n *node, web string) {
	b.Helper()
	web = freeAddr(b)
	return startNode(b, redis, `
bus: { driver: embedded }
embedded: { nats: "127.0.0.1:0" }
log: { level: warn }
`, "STOMPGW_LISTEN="+web), web
}

// idle opens clients that receive nothing.
func idle(b *testing.B, redis string, t *transport) {
	n, web := startWeb(b, redis)
	gather(b, n, web, t, "first", warmingClients)
	before := settledMemory(b, n)
	gather(b, n, web, t, "all", idleClients)
	after := settledMemory(b, n)
	b.Run(fmt.Sprintf("connections=%d", idleClients), func(b *testing.B) { // which may run more than once
		b.ReportMetric((after.resident-before.resident)/idleClients, "B/conn")
		b.ReportMetric((after.live-before.live)/idleClients, "live-B/conn")
		b.ReportMetric(0, "ns/op") // there are no operations
	})
}

// fanOut measures b.N messages to all of c.
func fanOut(b *testing.B, n *node, c *crowd, t *transport, window int) {
	cpu, answers := cpuOf(b, n.PID()), c.answers.Load()
	b.ResetTimer()
	c.publish(b, b.N, window)
	b.StopTimer()
	cpu = cpuOf(b, n.PID()) - cpu
	deliveries := float64(b.N * c.size)
	b.ReportMetric(float64(cpu.Microseconds())/deliveries, "cpu-µs/delivery")
	b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
	if ended := c.answers.Load() - answers; !t.socket && !t.streams {
		b.ReportMetric(deliveries/float64(ended), "messages/answer")
	}
	b.ReportMetric(0, "ns/op") // deliveries/s says it
}

// memory is what a process holds, in bytes.
type memory struct {
	resident float64 // anonymous memory, proc_pid_status(5)
	live     float64 // what the garbage collector has to leave
}

// settledMemory reads memory when the garbage collector has run and given back what it gives back.
func settledMemory(b *testing.B, n *node) memory {
	b.Helper()
	collect(b, n)
	m := memory{live: n.figure(b, "go_memstats_next_gc_bytes") / 2} // the heap may double until it runs again
	tick := time.NewTicker(500 * time.Millisecond)                  // giving back is slow by design
	defer tick.Stop()
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for same := 0; same < settledReadings; {
		select {
		case <-tick.C:
		case <-enough.C:
			b.Logf("%.0f bytes, and still changing", m.resident)
			return m
		}
		now := residentOf(b, n.PID())
		if same++; math.Abs(now-m.resident) > now/200 {
			same = 0
		}
		m.resident = now
	}
	return m
}

// collect makes garbage until the node has collected it twice.
func collect(b *testing.B, n *node) {
	b.Helper()
	const collections = "go_gc_duration_seconds_count"
	for first := n.figure(b, collections); n.figure(b, collections) < first+2; {
	}
}

// residentOf returns the anonymous memory of a process: the pages of the program itself depend on what
// of it has run.
func residentOf(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		b.Skip("this system does not tell: ", err)
	}
	m := regexp.MustCompile(`(?m)^RssAnon:\s+(\d+) kB$`).FindSubmatch(text)
	if m == nil {
		b.Skip("this system does not tell RssAnon")
	}
	kB, err := strconv.Atoi(string(m[1]))
	if err != nil {
		b.Fatal(err)
	}
	return float64(kB) * 1024
}
