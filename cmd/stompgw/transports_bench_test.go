package main

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
// lost, repeated or out of order. At the end it prints the medians of its turns, as PERFORMANCE.md
// shows them.
func BenchmarkTransports(b *testing.B) {
	all := figures{}
	redis := servers.Redis(b).Addr
	for turn := range turns {
		for _, t := range transports() {
			name := fmt.Sprintf("idle/turn=%d/transport=%s", turn, t.name)
			b.Run(name, func(b *testing.B) { idle(b, redis, t, all) })
		}
	}
	n, web := startWeb(b, redis)
	for turn := range turns {
		for _, t := range transports() {
			name := fmt.Sprintf("fanout/turn=%d/transport=%s", turn, t.name)
			b.Run(name, func(b *testing.B) {
				c := gather(b, n, web, t, fmt.Sprintf("%s-%d", t.name, turn), fanOutClients)
				for _, window := range []int{8, 1} {
					if !b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) { fanOut(b, n, c, t, window, all) }) {
						return
					}
				}
				c.publish(b, 1, 1) // what was repeated comes before it
			})
		}
	}
	if len(all) > 0 {
		fmt.Print(all.table())
	}
}

// startWeb starts a node and returns its address for HTTP too.
func startWeb(b *testing.B, redis string) (n *node, web string) {
	b.Helper()
	const config = `
bus: { driver: embedded }
embedded: { nats: "127.0.0.1:0" }
redis: { addrs: ["%s"] }
channels:
  - { match: "/topic/{room}", subscribe: "true", send: "true" }
drain: { duration: 1s }
log: { level: warn }
`
	file := filepath.Join(b.TempDir(), "stompgw.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, redis), 0o600); err != nil {
		b.Fatal(err)
	}
	web = freeAddr(b)
	return serve(b, file, "STOMPGW_LISTEN="+web), web
}

// idle opens clients that receive nothing.
func idle(b *testing.B, redis string, t *transport, all figures) {
	n, web := startWeb(b, redis)
	gather(b, n, web, t, "first", warmingClients)
	before := settledMemory(b, n)
	gather(b, n, web, t, "all", idleClients)
	after := settledMemory(b, n)
	b.Run(fmt.Sprintf("connections=%d", idleClients), func(b *testing.B) { // which may run more than once
		all.report(b, t, "B/conn", (after.resident-before.resident)/idleClients)
		all.report(b, t, "live-B/conn", (after.live-before.live)/idleClients)
		b.ReportMetric(0, "ns/op") // there are no operations
	})
}

// fanOut measures b.N messages to all of c.
func fanOut(b *testing.B, n *node, c *crowd, t *transport, window int, all figures) {
	cpu, answers := cpuOf(b, n.PID()), c.answers.Load()
	b.ResetTimer()
	c.publish(b, b.N, window)
	b.StopTimer()
	cpu = cpuOf(b, n.PID()) - cpu
	deliveries := float64(b.N * c.size)
	at := fmt.Sprintf(" window=%d", window)
	all.report(b, t, "cpu-µs/delivery"+at, float64(cpu.Microseconds())/deliveries)
	all.report(b, t, "deliveries/s"+at, deliveries/b.Elapsed().Seconds())
	if ended := c.answers.Load() - answers; !t.socket && !t.streams {
		all.report(b, t, "messages/answer"+at, deliveries/float64(ended))
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
	m := memory{live: n.metric(b, "go_memstats_next_gc_bytes") / 2} // the heap may double until it runs again
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
	for first := n.metric(b, collections); n.metric(b, collections) < first+2; {
	}
}

// metric asks for one metric without labels.
func (n *node) metric(b *testing.B, name string) float64 {
	b.Helper()
	status, text := n.get(b.Context(), "/metrics")
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(text)
	if status != http.StatusOK || m == nil {
		b.Fatalf("/metrics: %d, without %s", status, name)
	}
	value, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return value
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

// figures are what was reported, by what it is and by the benchmark that did.
type figures map[figure]map[string]float64

type figure struct{ transport, what string }

// report gives a metric of b, of which the last run counts.
func (f figures) report(b *testing.B, t *transport, what string, value float64) {
	unit, _, _ := strings.Cut(what, " ")
	b.ReportMetric(value, unit)
	at := figure{t.name, what}
	if f[at] == nil {
		f[at] = map[string]float64{}
	}
	f[at][b.Name()] = value
}

// table shows the medians as rows of a table in Markdown.
func (f figures) table() string {
	columns := []struct {
		what   string
		format func(float64) string
	}{
		{"B/conn", thousands}, {"live-B/conn", thousands},
		{"cpu-µs/delivery window=8", decimal}, {"deliveries/s window=8", thousands}, {"messages/answer window=8", decimal},
		{"cpu-µs/delivery window=1", decimal}, {"deliveries/s window=1", thousands},
	}
	var rows strings.Builder
	for _, t := range transports() {
		rows.WriteString("| " + t.name + " |")
		for _, c := range columns {
			cell := ""
			if values := slices.Sorted(maps.Values(f[figure{t.name, c.what}])); len(values) > 0 {
				cell = c.format(values[len(values)/2])
			}
			rows.WriteString(" " + cell + " |")
		}
		rows.WriteString("\n")
	}
	return rows.String()
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// thousands writes a number below a million.
func thousands(v float64) string {
	if n := int(v); n >= 1000 {
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	return strconv.Itoa(int(v))
}
