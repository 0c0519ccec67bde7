package natsbus

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestElection: what a leader has stored and not published again, as it led no longer, comes when another one leads; or it is told that
// something may be missing, if it is gone by then.
func TestElection(t *testing.T) {
	var urls []string
	for _, m := range servers.NATSCluster(t, 3) {
		urls = append(urls, "nats://"+m.Addr)
	}
	url := strings.Join(urls, ",")
	a := remember(t, Config{URL: url, History: History{Replicas: 3}}, "1/a", 10)
	checkErr(t, watchFor(a.Bus, "/topic/a"), nil)
	a.healthy(t)
	foreign := connect(t, url)
	js, err := foreign.JetStream(nats.MaxWait(10 * time.Second))
	checkErr(t, err, nil)
	stepDown := func() {
		t.Helper()
		bustest.Eventually(t, "the leader steps down", func() bool {
			said, err := foreign.Request("$JS.API.STREAM.LEADER.STEPDOWN.STOMPGW", nil, time.Second)
			return err == nil && !strings.Contains(string(said.Data), "error")
		})
	}
	send(t, a.Bus, "1", "2")
	a.want(t, "1", "2")
	head := a.recall(t, "/topic/a", bus.Wish{}).Head

	trailOf(a.Bus, "/topic/a").lose()
	stepDown()
	a.want(t, "2")

	bustest.Eventually(t, "another message is stored", func() bool { return <-publish(t, a.Bus, "/topic/a", "3") == nil })
	a.want(t, "3")
	trailOf(a.Bus, "/topic/a").lose()
	checkErr(t, js.PurgeStream("STOMPGW"), nil)
	stepDown()
	a.want(t, "hole")
	if said := a.recall(t, "/topic/a", bus.Wish{After: head}); said.Whole {
		t.Errorf("from before what is gone it is %+v", said)
	}
}
