package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// TestFanOutAllocs: what a message costs does not grow with its subscribers, as long as they have
// the same id.
func TestFanOutAllocs(t *testing.T) {
	allocs := func(subs int) float64 {
		l, m := fanOut(t, subs, func(int) string { return "sub-0" })
		return testing.AllocsPerRun(100, func() { l.deliver(m) })
	}
	few, many := allocs(2), allocs(1000)
	if few != many {
		t.Errorf("%v allocations for 2 subscribers, %v for 1000", few, many)
	}
	if many > 1 {
		t.Errorf("%v allocations, want that of the frame alone", many)
	}
}

// sink takes what it is given.
type sink struct{ bytes int }

func (s *sink) Deliver(_ *Subscription, _ uint64, packed []byte) { s.bytes += len(packed) }

// fanOut returns the part of a loop that does not run, with subscribers, and a message for them.
func fanOut(t testing.TB, subs int, id func(i int) string) (*Local, *Message) {
	l := &Local{table: table{exact: map[string][]*Subscription{}}}
	out := &sink{}
	for i := range subs {
		l.table.add(&Subscription{ID: id(i), Destination: "/topic/a", Version: stomp.V12, Framing: wrapped{}, Outlet: out})
	}
	m := NewMessage(bus.Envelope{
		Destination: "/topic/a", Body: []byte(strings.Repeat("x", 128)),
		Headers: []bus.Header{{Name: "content-type", Value: "text/plain"}},
	}, "/topic/a", "node", 1)
	return l, m
}

func BenchmarkFanOut(b *testing.B) {
	for _, test := range []struct {
		name string
		id   func(i int) string
	}{
		{"subs=1000/ids=1", func(int) string { return "sub-0" }},
		{"subs=1000/ids=4", func(i int) string { return fmt.Sprint("sub-", i%4) }},
		{"subs=1000/ids=1000", func(i int) string { return fmt.Sprint("sub-", i) }},
	} {
		b.Run(test.name, func(b *testing.B) {
			l, m := fanOut(b, 1000, test.id)
			b.ReportAllocs()
			for b.Loop() {
				l.deliver(m)
			}
			b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

func BenchmarkNewMessage(b *testing.B) {
	for _, test := range []struct{ name, value string }{{"plain", "text/plain"}, {"escaped", "a:b"}} {
		b.Run(test.name, func(b *testing.B) {
			e := bus.Envelope{Destination: "/topic/a", Body: []byte(strings.Repeat("x", 128)), Headers: []bus.Header{{Name: "foo", Value: test.value}}}
			b.ReportAllocs()
			for b.Loop() {
				NewMessage(e, e.Destination, "node", 1)
			}
		})
	}
}
