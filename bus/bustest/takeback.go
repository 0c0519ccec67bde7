package bustest

import (
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// TakeBack tests a bus.Narrower whose broker takes back what it has granted: forbid makes it take back a
// watch of /taken/back, for the whole cluster, and permit grants it again. Both return when the broker
// knows.
func TakeBack(t *testing.T, cluster Cluster, forbid, permit func()) {
	const taken, other = "/taken/back", "/topic/other"
	sender := start(t, cluster, "1/sender", nil)
	n := start(t, cluster, "1/a", nil, other)
	n.watch(taken)
	n.Bus.(bus.Narrower).Unwatch(taken) // whoever has left hears nothing
	first := n.watching(taken)
	n.hears(first, true)
	forbid()
	n.hears(first, false)
	late := n.watching(taken)
	n.hears(late, false)
	sender.send(text(other, "still"))
	n.await(other, 1)
	permit()
	again := n.watching(taken)
	n.hears(again, true)
	sender.send(text(taken, "again"))
	if got := n.await(taken, 1)[0].Body; string(got) != "again" {
		t.Errorf("got %q, want what was published after it was granted again", got)
	}
	for _, heard := range []chan error{first, late, again} {
		if len(heard) > 0 {
			t.Errorf("ready heard %v too", <-heard)
		}
	}
}

// watching calls Watch, and returns where it is heard what ready hears.
func (n *node) watching(destination string) chan error {
	heard := make(chan error, 10)
	n.Bus.(bus.Narrower).Watch(destination, func(err error) { heard <- err })
	return heard
}

// hears waits for what ready hears next: a yes or a no.
func (n *node) hears(heard chan error, yes bool) {
	n.t.Helper()
	if err := next(n, heard, "what ready hears"); yes != (err == nil) {
		n.t.Fatalf("ready heard %v", err)
	}
}
