package bustest

import (
	"bytes"
	"context"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// testOrder: envelopes of one node to one destination arrive at all nodes, its own too, in the order of
// Publish, whoever else publishes, and each once.
func testOrder(t *testing.T, cluster Cluster) {
	const publishers, destinations, envelopes = 2, 20, 25
	var all []string
	for i := range publishers * destinations {
		all = append(all, "/topic/order/"+strconv.Itoa(i))
	}
	var nodes []*node
	for _, name := range []string{"1/a", "1/b", "1/c"} {
		nodes = append(nodes, start(t, cluster, name, nil, all...))
	}
	var wg sync.WaitGroup
	for _, n := range nodes {
		for i := range publishers {
			wg.Go(func() {
				publishRounds(n, all[i*destinations:][:destinations], envelopes)
			})
		}
	}
	wg.Wait()
	for _, n := range nodes {
		checkRounds(t, n, len(nodes)*len(all), envelopes)
	}
}

// publishRounds publishes to all destinations in turn, with "<node>:<round>" as the body.
func publishRounds(n *node, destinations []string, rounds int) {
	p := publisher{node: n}
	for round := range rounds {
		for _, destination := range destinations {
			p.publish(text(destination, n.name+":"+strconv.Itoa(round)))
		}
	}
	p.finish()
}

// checkRounds awaits so many streams of what nodes publish in rounds, each of one watch, destination and sender, and
// holds that they are whole and in order.
func checkRounds(t *testing.T, n *node, streams, rounds int) {
	t.Helper()
	next := make(map[string]int)
	for _, e := range n.total(streams * rounds) {
		sender, round, _ := strings.Cut(string(e.Body), ":")
		stream := e.Watch + " " + e.Destination + " " + sender
		if round != strconv.Itoa(next[stream]) {
			t.Fatalf("%s, %s: got number %s after %d envelopes", n.name, stream, round, next[stream])
		}
		next[stream]++
	}
	if got := len(n.total(0)); got != streams*rounds || len(next) != streams {
		t.Errorf("%s: got %d envelopes in %d streams, want %d in %d", n.name, got, len(next), streams*rounds, streams)
	}
}

// testNothingMissedAfterReady: whatever is published once ready has run arrives, though others
// publish all the while.
func testNothingMissedAfterReady(t *testing.T, cluster Cluster) {
	const destination = "/topic/flood"
	var begun atomic.Int64 // the number that was, or is being, published
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	stop := func() { cancel(); wg.Wait() }
	defer stop()
	p := publisher{node: start(t, cluster, "1/flood", nil)}
	wg.Go(func() {
		for ctx.Err() == nil && !t.Failed() {
			p.publish(text(destination, strconv.FormatInt(begun.Add(1), 10)))
			if len(p.pending) > 64 {
				p.answer()
			}
		}
		p.finish()
	})
	for i := range 5 {
		n := start(t, cluster, "1/late-"+strconv.Itoa(i), nil, destination)
		first := int(begun.Load()) + 1
		numbers := func(got []bus.Envelope) (all []int) {
			for _, e := range got {
				number, _ := strconv.Atoi(string(e.Body))
				all = append(all, number)
			}
			return all
		}
		got := numbers(n.until("twenty numbers", func(got []bus.Envelope) bool {
			return len(got) > 0 && numbers(got[len(got)-1:])[0] >= first+20
		}))
		if got[0] > first {
			t.Fatalf("%s: the first to arrive is %d, but %d was published after ready", n.name, got[0], first)
		}
		for i, number := range got {
			if number != got[0]+i {
				t.Fatalf("%s: %d arrived after %d", n.name, number, got[i-1])
			}
		}
	}
}

// testIndividual: an envelope with a principal reaches the node of that principal, without a watch.
func testIndividual(t *testing.T, cluster Cluster) {
	const destination = "/queue/answers"
	a := start(t, cluster, "1700/a-a", nil)
	b := start(t, cluster, "1700/b-b", nil)
	for _, to := range []*node{a, b} {
		want := bus.Envelope{
			Destination: destination,
			Principal:   to.name + "/session:1/2026-01-02T03:04:05.6Z",
			Headers:     []bus.Header{{Name: "content-type", Value: "text/plain"}},
			Body:        []byte("for " + to.name),
		}
		a.send(want)
		got := to.first("its envelope", func(e bus.Envelope) bool { return e.Principal == want.Principal }) // a bus may bring those of other nodes too
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", to.name, got, want)
		}
	}
}

// testAnyBytes: destinations, headers and bodies arrive as they were, whatever is in them.
func testAnyBytes(t *testing.T, cluster Cluster) {
	all := destinations()
	n := start(t, cluster, "1/a", nil, all...)
	checkAnyBytes(t, n, all)
}

// checkAnyBytes sends to all destinations, and awaits what was sent, once.
func checkAnyBytes(t *testing.T, n *node, all []string) {
	t.Helper()
	contents := contents()
	for _, destination := range all {
		for _, e := range contents {
			e.Destination = destination
			n.send(e)
		}
	}
	for _, destination := range all {
		for i, got := range n.await(destination, len(contents)) {
			want := contents[i%len(contents)]
			if !bytes.Equal(got.Body, want.Body) || !slices.Equal(got.Headers, want.Headers) {
				t.Errorf("%q: got %.300q\nwant %.300q", destination, got, want)
			}
		}
	}
	if got, want := len(n.total(0)), len(all)*len(contents); got != want {
		t.Errorf("got %d envelopes in all, want %d", got, want)
	}
}

// destinations returns those with something peculiar about them. None is a pattern.
func destinations() []string {
	return []string{
		"/topic/plain", "/topic/a.b c", "/topic/*x", "/topic/**/x", "***", "/topic/>", ">", "$SYS/x", "/$x", "/topic/ä€😀",
		"/", "//", "/x//y/", "a", "a/", " ", "/ ", ".", "/..", "=", "/topic/=2E", "/topic/=2A", "/topic/%41", "/topic/A",
		"/topic/\x00\r\n\t\x7f\xff", "/queue/a:b;c,d\"e\\f", "/topic/?", "/topic/{x}", "/topic/" + strings.Repeat("long/", 100),
	}
}

// contents returns envelopes with something peculiar about them.
func contents() []bus.Envelope {
	return []bus.Envelope{
		{Body: []byte{}},
		{Body: []byte("NUL \x00, line breaks \r\n, not UTF-8 \xff\xfe")},
		{Body: bytes.Repeat([]byte("64 KiB: 16 bytes"), 4096)},
		{Body: []byte("headers"), Headers: []bus.Header{
			{Name: "zebra", Value: "first, though last in the alphabet"},
			{Name: "content-type", Value: "text/plain;charset=utf-8"},
			{Name: "repeated", Value: "1"}, {Name: "x", Value: "between"}, {Name: "repeated", Value: "2"},
			{Name: "Content-Type", Value: "another name"},
			{Name: "empty", Value: ""}, {Name: "", Value: "no name"},
			{Name: "blanks", Value: "  around\t "}, {Name: " blank name ", Value: "x"},
			{Name: "colon:name", Value: ":a:b"}, {Name: "lines", Value: "a\r\nb\nc\r"},
			{Name: "bytes", Value: "\x00\x01\x7f\xff %41 =41"}, {Name: "näme", Value: "wért"},
			{Name: "Nats-Msg-Id", Value: "1"}, {Name: "Stomp-Order", Value: "x"},
		}},
		{Body: []byte("one header"), Headers: []bus.Header{{Name: "content-type", Value: "text/plain"}}},
	}
}

// testPatternSent: what is published to a destination that looks like a pattern goes there and
// nowhere else, on a Narrower as well, where the pattern names it too.
func testPatternSent(t *testing.T, cluster Cluster) {
	odd := []string{"/odd/*", "/odder/**", "/*/oddest", "*"}
	n := start(t, cluster, "1/a", nil, append(odd, "/topic/a")...)
	for _, destination := range append(odd, "/topic/a") {
		n.send(text(destination, destination))
	}
	for _, e := range n.total(len(odd) + 1) {
		if e.Destination != string(e.Body) {
			t.Errorf("what was sent to %s came to %s", e.Body, e.Destination)
		}
	}
	if got := len(n.total(0)); got != len(odd)+1 {
		t.Errorf("got %d envelopes, want one each", got)
	}
}
