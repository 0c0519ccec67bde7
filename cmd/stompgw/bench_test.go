package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
)

// rooms is how many destinations there are: enough for keys in all of 64 partitions.
const rooms = 200

// BenchmarkNodes measures from a SEND on one node to the MESSAGE on another, beside the bare client
// of the broker, from its publish to its receive, and beside the buses of two nodes alone. Run it with -benchtime 20000x or so: b.N is the
// number of messages, of 200 bytes, and they are sent at a fixed rate.
func BenchmarkNodes(b *testing.B) {
	rates := []int{1000, 10000}
	b.Run("bus=kafka", func(b *testing.B) {
		broker := servers.Kafka(b)
		for _, partitions := range []int{12, 64} {
			b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) {
				topic := fmt.Sprintf("bench-%d", partitions)
				broker.CreateTopic(b, topic, partitions)
				nodes := startNodes(b, 2, fmt.Sprintf("bus: { driver: kafka, kafka: { brokers: [%q], topic: %s } }", broker.Addr, topic))
				broker.CreateTopic(b, "bare-"+topic, partitions)
				bare := newBareKafka(b, broker.Addr, "bare-"+topic, partitions)
				broker.CreateTopic(b, "bus-"+topic, partitions)
				between := newBuses(b, func(node string) (bus.Bus, error) {
					return kafkabus.New(kafkabus.Config{Brokers: []string{broker.Addr}, Topic: "bus-" + topic}, node, quietLog())
				})
				compare(b, rates, bare, between, newPair(b, nodes[0], nodes[1]))
			})
		}
	})
	b.Run("bus=nats", func(b *testing.B) {
		url := "nats://" + servers.NATS(b, 0).Addr
		bare := newBareNATS(b, url)
		nodes := startNodes(b, 2, fmt.Sprintf("bus: { driver: nats, nats: { url: %q } }", url))
		between := newBuses(b, func(node string) (bus.Bus, error) {
			return natsbus.New(natsbus.Config{URL: url, Prefix: "between"}, node, quietLog())
		})
		compare(b, rates, bare, between, newPair(b, nodes[0], nodes[1]))
	})
}

// way is one of the ways that a message can take.
type way struct {
	send     func(b *testing.B, first, end int) // sends the messages from number first up to, not including, number end
	arrivals chan arrival
	pids     []int // of those who carry the messages, without the broker
}

func newWay(pids ...int) *way { return &way{arrivals: make(chan arrival, 1<<16), pids: pids} }

// cpu returns what those who carry the messages have used so far.
func (w *way) cpu(b *testing.B) (sum time.Duration) {
	for _, pid := range w.pids {
		sum += cpuOf(b, pid)
	}
	return sum
}

// arrival is a message that has come.
type arrival struct {
	number int
	at     time.Time
}

func compare(b *testing.B, rates []int, bare, between, gateway *way) {
	ways := []struct {
		name string
		way  *way
	}{{"bare", bare}, {"bus", between}, {"stompgw", gateway}}
	for _, w := range ways {
		paced(b, w.way, 5000, 2500) // a broker that was just started is slow
	}
	for _, rate := range rates {
		for _, w := range ways {
			b.Run(fmt.Sprintf("rate=%d/way=%s", rate, w.name), func(b *testing.B) { measure(b, w.way, rate) })
		}
	}
}

func measure(b *testing.B, w *way, rate int) {
	before := w.cpu(b)
	b.ResetTimer()
	took := paced(b, w, b.N, rate)
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64((w.cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/msg")
	b.ReportMetric(0, "ns/op") // the rate says it
}

// paced sends count messages at the given rate, those of a millisecond together, and returns how
// long each one took.
func paced(b *testing.B, w *way, count, rate int) []time.Duration {
	sent := make([]time.Time, count)
	took := make([]time.Duration, 0, count)
	all := make(chan struct{})
	go func() {
		defer close(all)
		for len(took) < count {
			a := <-w.arrivals
			took = append(took, a.at.Sub(sent[a.number]))
		}
	}()
	const step = time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	begin := time.Now()
	for next := 0; next < count; {
		now := <-tick.C
		end := min(count, int(now.Sub(begin).Seconds()*float64(rate))+1)
		if end <= next {
			continue
		}
		now = time.Now()
		for i := next; i < end; i++ {
			sent[i] = now
		}
		w.send(b, next, end)
		next = end
	}
	<-all
	return took
}

// text is the body of message number n, of 200 bytes.
func text(n int) string { return fmt.Sprintf("%-200d", n) }

func number(body string) int {
	n, err := strconv.Atoi(strings.TrimRight(body, " "))
	if err != nil {
		panic(err)
	}
	return n
}

// newPair is a client that sends to one node, and one that receives from another, or the same.
func newPair(b *testing.B, from, to *node) *way { return newPairIn(b, from, to, room) }

// newPairIn is a pair that speaks in other destinations than newPair's.
func newPairIn(b *testing.B, from, to *node, room func(i int) string) *way {
	sender, reader := connect(b, from.Addr), connect(b, to.Addr)
	for i := range rooms {
		reader.subscribe(b, room(i))
	}
	w := newWay(slices.Compact([]int{from.PID(), to.PID()})...)
	go func() { // until the test's end closes the connection
		for {
			f, err := reader.read()
			if err != nil {
				return
			}
			w.arrivals <- arrival{number(f.body), time.Now()}
		}
	}()
	w.send = func(b *testing.B, first, end int) {
		var frames strings.Builder
		for n := first; n < end; n++ {
			fmt.Fprintf(&frames, "SEND\ndestination:%s\n\n%s\x00", room(n%rooms), text(n))
		}
		if _, err := io.WriteString(sender.conn, frames.String()); err != nil {
			b.Fatal(err)
		}
	}
	return w
}

func room(i int) string { return fmt.Sprintf("/topic/room-%d", i) }

// cpuOf returns what a process has used so far, from /proc/PID/stat (proc_pid_stat(5)).
func cpuOf(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Skip("this system does not tell: ", err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const utime, stime, tick = 11, 12, 10 * time.Millisecond
	user, errUser := strconv.Atoi(fields[utime])
	system, errSystem := strconv.Atoi(fields[stime])
	if errUser != nil || errSystem != nil {
		t.Fatal(errUser, errSystem)
	}
	return time.Duration(user+system) * tick
}
