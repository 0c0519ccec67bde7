package bustest

import (
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// TakeBack tests a bus.Narrower whose broker takes back what it has granted: forbid has it do so with a
// watch of /taken/back, for the whole cluster, and permit grants it again. Both return when the broker
// knows.
func TakeBack(t *testing.T, cluster Cluster, forbid, permit func()) {
	const taken, other = "/taken/back", "/topic/other"
	sender := start(t, cluster, "1/sender", nil)
	n := start(t, cluster, "1/a", nil, other)
	n.watch(taken)
	n.Bus.(bus.Narrower).Unwatch(taken) // whoever has left hears nothing
	w := watching(n, taken)
	w.hears(t, true)
	forbid()
	w.hears(t, false)
	late := watching(n, taken)
	late.hears(t, false)
	sender.send(text(other, "still"))
	n.await(other, 1)
	permit()
	again := watching(n, taken)
	again.hears(t, true)
	sender.send(text(taken, "again"))
	if got := bodies(n.await(taken, 1)); got != "again" {
		t.Errorf("got %q, want what was published after it was granted again", got)
	}
	for _, w := range []*watcher{w, late, again} {
		if len(w.heard) > 0 {
			t.Errorf("ready heard %v too", <-w.heard)
		}
	}
}

// watcher is one call of Watch.
type watcher struct {
	node  *node
	heard chan error
}

func watching(n *node, destination string) *watcher {
	w := &watcher{node: n, heard: make(chan error, 10)}
	n.Bus.(bus.Narrower).Watch(destination, func(err error) { w.heard <- err })
	return w
}

// hears waits for what ready hears next: a yes or a no.
func (w *watcher) hears(t *testing.T, yes bool) {
	t.Helper()
	select {
	case err := <-w.heard:
		if yes != (err == nil) {
			t.Fatalf("ready heard %v", err)
		}
	case <-w.node.limit:
		t.Fatal("ready heard nothing")
	}
}
