package natsbus

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestQuietForLong: where nothing was said for so long that the stream has removed all that came elsewhere meanwhile, nobody hears of a hole
// as the connection ends.
func TestQuietForLong(t *testing.T) {
	s := servers.NATS(t, 0, "-js", "-sd", t.TempDir())
	a := follow(t, Config{URL: "nats://" + s.Addr, History: History{Bytes: 1 << 20}}, "1/a", 10_000)
	began := trailOf(a.Bus, "/topic/a").hasCome()
	for range 4 {
		for range 40 {
			checkErr(t, <-publish(t, a.Bus, "/topic/other", strings.Repeat("x", 10_000)), nil)
		}
		a.history.refresh() // as it does now and then
		bustest.Eventually(t, "the keeper has looked", func() bool { return a.history.present().last >= a.history.highest() })
	}
	bustest.Eventually(t, "the trail knows of what came elsewhere", func() bool { return trailOf(a.Bus, "/topic/a").hasCome() > began+100 })
	s.Stop(t)
	s.Start(t)
	a.healthy(t)
	send(t, a.Bus, "1")
	a.want(t, "1")
}

// hasCome returns up to where all has come that the stream had of the destination.
func (t *trail) hasCome() (complete uint64) {
	t.inLane(func() { complete = t.complete })
	return complete
}
