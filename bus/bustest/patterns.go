package bustest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// testPatterns: a watch brings what it matches, under its own destination, one copy each, and says
// that it did; an exact watch of the same brings another.
func testPatterns(t *testing.T, cluster Cluster) {
	watches := []string{
		"/topic/*", "/topic/**", "/topic/a", "/*/a", "/topic/*/x/*", "/topic/a/**", "/**", "**", "*/a", "a/*", "/topic/**/x", "/topic/a*", "/topic/*/*/**",
	}
	sent := []string{
		"/topic", "/topic/", "/topic/a", "/topic/ä.b", "/topic/a/x", "/topic/a/x/b", "/topic/a//", "/other/a", "/a", "/",
		"a", "b/a", "a/b", "/topic/**/x", "/topic/b/x", "/topic/a*", "/topic/ab", "topic/a",
	}
	n := start(t, cluster, "1/a", nil, watches...)
	want := make(map[string]int)
	total := 0
	for i, destination := range sent {
		for _, watch := range watches {
			if Matches(watch, destination) {
				want[watch+" brings "+destination]++
				total++
			}
		}
		n.send(text(destination, strconv.Itoa(i)))
	}
	for _, e := range n.total(total) {
		want[e.Watch+" brings "+e.Destination]--
		if i, _ := strconv.Atoi(string(e.Body)); e.Destination != sent[i] {
			t.Errorf("what was sent to %q came to %q", sent[i], e.Destination)
		}
	}
	if got := len(n.total(0)); got != total {
		t.Errorf("got %d envelopes, want %d", got, total)
	}
	for which, missing := range want {
		if missing != 0 {
			t.Errorf("%s: %d times less than it should", which, missing)
		}
	}
}

// Matches reports whether a watch brings what is sent to destination: the rule of bus.Narrower, in its
// plainest form.
func Matches(watch, destination string) bool {
	w, absolute := strings.CutPrefix(watch, "/")
	d, alike := strings.CutPrefix(destination, "/")
	want, have := strings.Split(w, "/"), strings.Split(d, "/")
	if end := len(want) - 1; want[end] == "**" && len(have) >= len(want) {
		want, have = want[:end], have[:end]
	}
	return absolute == alike && slices.EqualFunc(want, have, func(w, h string) bool { return w == "*" || w == h })
}

// testPatternOrder: the envelopes of one node to one destination come by a pattern in the order of
// Publish, and so does each copy of what comes by several watches.
func testPatternOrder(t *testing.T, cluster Cluster) {
	const envelopes = 50
	watches := []string{"/topic/*/room", "/topic/**", "/topic/3/room"}
	var rooms []string
	for i := range 10 {
		rooms = append(rooms, fmt.Sprintf("/topic/%d/room", i))
	}
	var nodes []*node
	for _, name := range []string{"1/a", "1/b"} {
		nodes = append(nodes, start(t, cluster, name, nil, watches...))
	}
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() { publishRounds(n, rooms, envelopes) })
	}
	wg.Wait()
	for _, n := range nodes { // two watches bring each room, and one brings one more copy
		checkRounds(t, n, len(nodes)*(2*len(rooms)+1), envelopes)
	}
}

// testPatternAnyBytes: what comes by a pattern is as it was sent, whatever is in it.
func testPatternAnyBytes(t *testing.T, cluster Cluster) {
	n := start(t, cluster, "1/a", nil, "/**", "**")
	checkAnyBytes(t, n, destinations())
}

// testPatternAgain: a pattern can be watched again at once, and each time ready is a promise. Those
// that it overlaps go on meanwhile, and miss nothing.
func testPatternAgain(t *testing.T, cluster Cluster) {
	watches := []string{"/topic/a", "/topic/*", "/topic/**"}
	sender := start(t, cluster, "1/sender", nil)
	n := start(t, cluster, "1/a", nil, watches...)
	for i := range 2 * len(watches) {
		ended := watches[i%len(watches)]
		before, after := fmt.Sprint("before ", i), fmt.Sprint("after ", i)
		n.Bus.(bus.Narrower).Unwatch(ended)
		sender.send(text("/topic/a", before))
		n.watch(ended)
		sender.send(text("/topic/a", after))
		for _, watch := range watches {
			n.awaitBy(watch, after)
			if watch != ended {
				n.awaitBy(watch, before)
			}
		}
	}
}

// awaitBy waits for the envelope with the given body that watch brings.
func (n *node) awaitBy(watch, body string) {
	n.t.Helper()
	n.first(fmt.Sprintf("%q by %s", body, watch), func(e bus.Envelope) bool { return e.Watch == watch && string(e.Body) == body })
}
