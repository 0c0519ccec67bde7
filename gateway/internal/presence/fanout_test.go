package presence

import (
	"fmt"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/internal/tcp"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// sink is an outlet that takes what comes.
type sink struct{}

func (sink) Deliver(*router.Subscription, uint64, []byte) bool { return true }
func (sink) Admits(*router.Subscription, string) bool          { return false }
func (sink) Missed(*router.Subscription, uint32)               {}
func (sink) Ended(*router.Subscription)                        {}

// BenchmarkChange is a member who comes to a room of 100, or leaves it, from the book to the last of those who look.
func BenchmarkChange(b *testing.B) {
	for _, viewers := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("viewers=%d", viewers), func(b *testing.B) {
			n := newCluster(b).start()
			o := n.o
			o.Peers, o.Grace = nil, 0
			p := New(o)
			r := p.newRun(b.Context())
			for i := range viewers {
				s := &router.Subscription{ID: "1", Destination: "/presence" + lobby, Version: stomp.V12, Framing: tcp.Framing{}, Outlet: sink{}}
				l := n.router.Local(i % 2)
				n.do(i%2, func(*router.Local) { p.View(l, s, lobby, false, func(error) {}, func(error) {}) })
			}
			for i := range 100 {
				p.Come(lobby, registry.SessionID(i), fmt.Sprint(100+i), nil, false)
			}
			now := time.Now()
			turn := func() {
				now = now.Add(tick)
				r.tick(now)
				for i := range n.loops {
					n.do(i, func(*router.Local) {})
				}
			}
			turn()
			turn()
			before := n.router.Delivered()
			b.ReportAllocs()
			here := false
			for b.Loop() {
				if here = !here; here {
					p.Come(lobby, 1, "7", nil, false)
				} else {
					p.Go(lobby, 1, "7")
				}
				turn()
			}
			sent := n.router.Delivered() - before // less than could be, if the bus was full in between
			b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
