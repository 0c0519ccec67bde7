package bustest

import (
	"strconv"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// testUnwatched: nothing arrives that is not watched, before a watch or after it.
func testUnwatched(t *testing.T, cluster Cluster) {
	const destination = "/topic/narrow"
	var others []string // so many that, however a bus spreads them, one shares the way of destination
	for i := range 32 {
		others = append(others, "/topic/other/"+strconv.Itoa(i))
	}
	sender := start(t, cluster, "1/sender", nil)
	n := start(t, cluster, "1/a", nil, others...)
	sender.send(text(destination, "before"))
	n.watch(destination)
	sender.send(text(destination, "watched"))
	n.await(destination, 1)
	n.Bus.(bus.Narrower).Unwatch(destination)
	sender.send(text(destination, "after"))
	for _, other := range others {
		sender.send(text(other, "sentinel"))
	}
	n.total(len(others) + 1)
	if got := bodies(n.received(destination)); got != "watched" {
		t.Errorf("got %q, want only what was published during the watch", got)
	}
}

// testWatchThenPublish: what this node publishes after Watch returned arrives, ready or not.
func testWatchThenPublish(t *testing.T, cluster Cluster) {
	const watches = 100
	n := start(t, cluster, "1/a", nil)
	p := publisher{node: n}
	ready := make(chan error, 2*watches)
	for i := range watches {
		destination := "/topic/own/" + strconv.Itoa(i)
		n.Bus.(bus.Narrower).Watch(destination, func(err error) { ready <- err })
		p.publish(text(destination, "own"))
	}
	p.finish()
	n.total(watches)
	for range watches {
		if err := <-ready; err != nil {
			t.Error(err)
		}
	}
	if len(ready) > 0 {
		t.Errorf("ready ran %d times too often", len(ready))
	}
}
