package bustest

import (
	"strconv"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// testUnwatched: nothing arrives by a watch, be it a pattern, before it or after it, though another brings the same.
func testUnwatched(t *testing.T, cluster Cluster) {
	const destination = "/topic/narrow"
	others := []string{"/topic/**"}
	for i := range 32 { // so many that, however a bus spreads them, one shares the way of the watch
		others = append(others, "/other/"+strconv.Itoa(i))
	}
	sender := start(t, cluster, "1/sender", nil)
	for i, watch := range []string{destination, "/topic/*"} {
		n := start(t, cluster, "1/"+strconv.Itoa(i), nil, others...)
		sender.send(text(destination, "before"))
		n.watch(watch)
		sender.send(text(destination, "watched"))
		n.awaitBy(watch, "watched")
		n.Bus.(bus.Narrower).Unwatch(watch)
		sender.send(text(destination, "after"))
		for _, other := range others[1:] {
			sender.send(text(other, "sentinel"))
		}
		want := len(others) + 3 // of them those of "/topic/**" three, and one of watch
		got := n.total(want)
		for _, e := range got {
			if e.Watch == watch && string(e.Body) != "watched" {
				t.Errorf("%s came by %s, which was not watched", e.Body, watch)
			}
		}
		if len(got) != want {
			t.Errorf("got %d envelopes, want %d", len(got), want)
		}
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
