package router

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/history"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// BenchmarkKept measures what a message that is kept takes in memory, with a body of 200 octets and two headers: of 100,000
// destinations 20 each, whose messages come by turns. counted is what history.memory counts for it.
func BenchmarkKept(b *testing.B) {
	const destinations, each = 100_000, 20
	body := []byte(strings.Repeat("x", 200))
	headers := []bus.Header{{Name: "content-type", Value: "application/json"}, {Name: "x-member", Value: "1234567890"}}
	for b.Loop() {
		before := heap()
		store := history.New[*Message](2 << 30)
		limits := history.Limits{Size: each, TTL: time.Hour}
		seq := uint64(0)
		for range each {
			for d := range destinations {
				seq++
				name := fmt.Sprintf("/topic/room/%06d", d)
				mark := bus.Mark{At: bus.Position{Log: 1, Term: 1, Offset: seq}, Published: time.Now().UnixMilli()}
				e := bus.Envelope{Destination: name, Headers: headers, Body: body, Mark: &mark}
				store.Append(name, &mark, limits, new(atomic.Bool), func() *Message { return NewMessage(e, name, name, "1796086698/9f1c2b7a", seq) }, func(*Message, string) {})
			}
		}
		after, kept := heap(), store.Figures()
		if kept.Messages != destinations*each {
			b.Fatalf("%d messages are kept", kept.Messages)
		}
		begin := time.Now()
		runtime.GC()
		b.ReportMetric(float64(time.Since(begin).Milliseconds()), "gc-ms")
		b.ReportMetric(float64(after-before)/float64(kept.Messages), "heap-B/msg")
		b.ReportMetric(float64(kept.Bytes)/float64(kept.Messages), "counted-B/msg")
		b.ReportMetric(float64(len(NewMessage(bus.Envelope{Headers: headers, Body: body}, "", "/topic/room/000000", "1796086698/9f1c2b7a", 1).rest[stomp.V12])), "encoded-B/msg")
		b.ReportMetric(0, "ns/op") // it is about memory
		runtime.KeepAlive(store)
	}
}

// heap is what lives.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
