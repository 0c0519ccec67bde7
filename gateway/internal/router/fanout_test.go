package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// TestFanOutAllocs: what a message costs does not grow with its subscribers, as long as they have the same id, nor
// with those by pattern.
func TestFanOutAllocs(t *testing.T) {
	allocs := func(subs, byPattern int, watches []string) float64 {
		l, m := fanOut(t, subs, func(int) string { return "sub-0" })
		for range byPattern {
			l.table.addPattern(&Subscription{
				ID: "sub-0", Destination: "/topic/?", Pattern: parse(t, "/topic/?"), Version: stomp.V12, Framing: wrapped{}, Outlet: &sink{},
			})
		}
		return testing.AllocsPerRun(100, func() { l.deliver(m, "", watches) })
	}
	for _, got := range []float64{allocs(2, 0, nil), allocs(1000, 0, nil), allocs(2, 2, []string{"/topic/*"}), allocs(1000, 1000, []string{"/topic/*"})} {
		if got > 1 {
			t.Errorf("%v allocations, want that of the frame alone", got)
		}
	}
}

// sink takes what it is given.
type sink struct{ bytes int }

func (s *sink) Deliver(_ *Subscription, _ uint64, packed []byte) bool {
	s.bytes += len(packed)
	return true
}

func (s *sink) Admits(*Subscription, string) bool { return true }

func (s *sink) Missed(*Subscription, uint32) {}

func (s *sink) Ended(*Subscription) {}

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
	}, "/topic/a", "/topic/a", "node", 1)
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
				l.deliver(m, "", nil)
			}
			b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkPatternFanOut is a message that a watch brought for 1000 subscribers by pattern.
func BenchmarkPatternFanOut(b *testing.B) {
	for _, test := range []struct {
		name    string
		pattern func(i int) string
	}{
		{"one pattern", func(int) string { return "/topic/?" }},
		{"1000 patterns, none matches", func(i int) string { return fmt.Sprintf("/topic/%d*", i) }},
	} {
		b.Run(test.name, func(b *testing.B) {
			l, m := fanOut(b, 0, nil)
			for i := range 1000 {
				text := test.pattern(i)
				l.table.addPattern(&Subscription{
					ID: "sub-0", Destination: text, Pattern: parse(b, text), Version: stomp.V12, Framing: wrapped{}, Outlet: &sink{},
				})
			}
			watches := []string{"/topic/*"}
			b.ReportAllocs()
			for b.Loop() {
				l.deliver(m, "", watches)
			}
		})
	}
}

// BenchmarkWanted is what the bus's goroutine does to know who wants an envelope.
func BenchmarkWanted(b *testing.B) {
	for _, test := range []struct {
		name     string
		patterns int
		pattern  func(i int) string
	}{
		{"no pattern", 0, nil},
		{"10000 patterns, none matches", 10_000, func(i int) string { return fmt.Sprintf("/topic/%d/**", i) }},
		{"one pattern", 1, func(int) string { return "/topic/*" }},
	} {
		b.Run(test.name, func(b *testing.B) {
			r := &Router{interest: map[string]*interest{}}
			loops := []*Local{{}, {}}
			e := bus.Envelope{Destination: "/topic/chat"}
			r.remember(&interest{watch: e.Destination, loops: loops})
			for i := range test.patterns {
				r.remember(&interest{watch: test.pattern(i), loops: loops})
			}
			b.ReportAllocs()
			for b.Loop() {
				r.wanted(&e, false)
			}
		})
	}
}

func BenchmarkNewMessage(b *testing.B) {
	for _, test := range []struct{ name, value string }{{"plain", "text/plain"}, {"escaped", "a:b"}} {
		b.Run(test.name, func(b *testing.B) {
			e := bus.Envelope{Destination: "/topic/a", Body: []byte(strings.Repeat("x", 128)), Headers: []bus.Header{{Name: "foo", Value: test.value}}}
			b.ReportAllocs()
			for b.Loop() {
				NewMessage(e, e.Destination, e.Destination, "node", 1)
			}
		})
	}
}
