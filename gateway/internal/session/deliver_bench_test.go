package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// BenchmarkDeliver is a message for 1,000 subscriptions of ten members: to one destination under a
// rule that lets everybody in, and under one in CEL that asks for the member, which cost the same; and
// by pattern, of which each member's verdict is known.
func BenchmarkDeliver(b *testing.B) {
	for _, test := range []struct{ name, subscribeTo, destination string }{
		{"exact/literal", "/topic/open/a", "/topic/open/a"},
		{"exact/cel", "/topic/members/a", "/topic/members/a"},
		{"pattern/cel", "/topic/**", "/topic/members/a"},
	} {
		b.Run(test.name, func(b *testing.B) {
			r := newLoginRig(b)
			var all []*peer
			for i := range 10 {
				p := r.member(r.of(i, time.Hour))
				all = append(all, p)
				for j := range 100 {
					p.feed(fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:%s\n\n^@", j, test.subscribeTo))
				}
			}
			e := bus.Envelope{Destination: test.destination, Body: make([]byte, 200)}
			b.ReportAllocs()
			for b.Loop() {
				r.deliver(e)
				r.do(func() {
					for _, p := range all {
						p.conn.out = p.conn.out[:0]
					}
				})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/delivery")
			if n := r.host.Stats.Withheld.Load(); n > 0 {
				b.Fatalf("%d messages were withheld", n)
			}
		})
	}
}
