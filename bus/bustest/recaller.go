package bustest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// remembered is the destination with history of these tests; those that begin so have it too.
const remembered = "/topic/kept"

// keep has what begins with remembered kept.
func keep() bus.Keep {
	return bus.Keep{
		Patterns: []string{remembered + "*"}, Size: 1000, Age: time.Hour, Bytes: 64 << 20,
		Has: func(destination string) bool { return strings.HasPrefix(destination, remembered) },
	}
}

// memory is a node that keeps what is delivered to it, as a router does.
type memory struct {
	*node
	bus.Recaller
}

// startRemembering returns a node that is ready for the destinations.
func startRemembering(t *testing.T, cluster Cluster, name string, destinations ...string) *memory {
	t.Helper()
	n := newNode(t, cluster, name)
	m := &memory{n, n.Bus.(bus.Recaller)}
	m.Remember(keep())
	n.receive(nil)
	n.watch(destinations...)
	return m
}

// recall returns what the bus says of a wish.
func (m *memory) recall(destination string, w bus.Wish) bus.Recalled {
	m.t.Helper()
	answer := make(chan bus.Recalled, 2)
	m.Recall(destination, w, func(r bus.Recalled) { answer <- r })
	return next(m.node, answer, fmt.Sprintf("an answer to %+v about %s", w, destination))
}

// after returns the bodies of what was delivered behind some positions, log by log in the order of the offsets. What was delivered twice is in it twice.
func (m *memory) after(destination string, places []bus.Position) (bodies []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []bus.Envelope
	for _, e := range m.got {
		if e.Destination != destination {
			continue
		}
		i := slices.IndexFunc(places, func(at bus.Position) bool { return at.Log == e.Mark.At.Log })
		if i < 0 || places[i].Offset < e.Mark.At.Offset {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b bus.Envelope) int {
		return cmp.Or(cmp.Compare(a.Mark.At.Log, b.Mark.At.Log), cmp.Compare(a.Mark.At.Offset, b.Mark.At.Offset))
	})
	for _, e := range found {
		bodies = append(bodies, string(e.Body))
	}
	return bodies
}

// arrived waits for the envelope of that body.
func (m *memory) arrived(destination, body string) bus.Envelope {
	m.t.Helper()
	return m.first(fmt.Sprintf("%s on %s", body, destination), func(e bus.Envelope) bool {
		return e.Destination == destination && string(e.Body) == body
	})
}

// position returns where the envelope of that body stands.
func (m *memory) position(destination, body string) bus.Position {
	m.t.Helper()
	e := m.arrived(destination, body)
	if e.Mark == nil || e.Mark.At == (bus.Position{}) || e.Mark.Hole {
		m.t.Fatalf("%s: %s of %s has the mark %+v", m.name, body, destination, e.Mark)
	}
	return e.Mark.At
}

func numbers(from, to int) (list []string) {
	for n := from; n <= to; n++ {
		list = append(list, fmt.Sprint(n))
	}
	return list
}

// testPositions: an envelope stands in one place for all nodes, further on than those before it. What has no history has none.
func testPositions(t *testing.T, cluster Cluster) {
	a := startRemembering(t, cluster, "1/a", remembered, "/topic/other")
	b := startRemembering(t, cluster, "1/b", remembered, "/topic/other")
	last := bus.Position{}
	for n, body := range numbers(1, 5) {
		a.send(text(remembered, body))
		at := a.position(remembered, body)
		if other := b.position(remembered, body); other != at {
			t.Errorf("%s stands at %+v and %+v", body, at, other)
		}
		if n > 0 && (at.Log != last.Log || at.Offset <= last.Offset) {
			t.Errorf("%s stands at %+v, the one before it at %+v", body, at, last)
		}
		last = at
	}
	a.send(text("/topic/other", "x"))
	if e := b.arrived("/topic/other", "x"); e.Mark != nil {
		t.Errorf("what has no history has the mark %+v", e.Mark)
	}
}

// testRecall: a node that comes later brings what was published behind a position.
func testRecall(t *testing.T, cluster Cluster) {
	a := startRemembering(t, cluster, "1/a", remembered)
	for _, body := range numbers(1, 20) {
		a.send(text(remembered, body))
	}
	place := a.position(remembered, "7")
	a.position(remembered, "20")
	b := startRemembering(t, cluster, "1/b", remembered)
	for _, m := range []*memory{a, b} {
		r := m.recall(remembered, bus.Wish{After: []bus.Position{place}, Told: time.Now()})
		if !r.Whole || r.Err != nil {
			t.Errorf("%s: %+v", m.name, r)
		}
		if got := m.after(remembered, []bus.Position{place}); !slices.Equal(got, numbers(8, 20)) {
			t.Errorf("%s: behind 7 came %q", m.name, got)
		}
	}
	for _, e := range b.until("what was recalled", func([]bus.Envelope) bool { return true }) {
		if e.Mark == nil || !e.Mark.Past || e.Mark.Published < time.Now().Add(-time.Hour).UnixMilli() || e.Mark.Published > time.Now().Add(time.Minute).UnixMilli() {
			t.Errorf("what was published before has the mark %+v", e.Mark)
		}
	}
}

// testLast: the last ones come, when somebody asks for as many.
func testLast(t *testing.T, cluster Cluster) {
	a := startRemembering(t, cluster, "1/a", remembered)
	for _, body := range numbers(1, 20) {
		a.send(text(remembered, body))
	}
	a.position(remembered, "20")
	b := startRemembering(t, cluster, "1/b", remembered)
	b.recall(remembered, bus.Wish{Last: 5})
	if got := b.after(remembered, nil); len(got) < 5 || !slices.Equal(got[len(got)-5:], numbers(16, 20)) {
		t.Errorf("the last five are %q", got)
	}
}

// testHead: who begins now stands before what is published then, whether something was published before or not.
func testHead(t *testing.T, cluster Cluster) {
	a := startRemembering(t, cluster, "1/a", remembered)
	for _, body := range numbers(1, 3) {
		head := a.recall(remembered, bus.Wish{}).Head
		if len(head) == 0 {
			t.Fatal("nobody stands anywhere")
		}
		a.send(text(remembered, body))
		a.position(remembered, body)
		if got := a.after(remembered, head); !slices.Equal(got, []string{body}) {
			t.Errorf("behind where %s stands who begins now: %q", body, got)
		}
		b := startRemembering(t, cluster, "1/b"+body, remembered)
		if r := b.recall(remembered, bus.Wish{After: head, Told: time.Now()}); !r.Whole {
			t.Errorf("from there on it is %+v on another node", r)
		}
		if got := b.after(remembered, head); !slices.Equal(got, []string{body}) {
			t.Errorf("behind that came %q", got)
		}
	}
}

// testUnknownPlace: a position of another log, or of another term, is not whole.
func testUnknownPlace(t *testing.T, cluster Cluster) {
	a := startRemembering(t, cluster, "1/a", remembered)
	a.send(text(remembered, "1"))
	at := a.position(remembered, "1")
	at.Log++
	if r := a.recall(remembered, bus.Wish{After: []bus.Position{at}, Told: time.Now()}); r.Whole {
		t.Errorf("another log is %+v", r)
	}
}

// testRecallUnderLoad: while others publish, nodes come and recall from places that they were told of by others; behind each of these
// everything has come, once.
func testRecallUnderLoad(t *testing.T, cluster Cluster) {
	const publishers, each, joining = 4, 100, 4
	a := startRemembering(t, cluster, "1/a", remembered)
	var wg sync.WaitGroup
	for p := range publishers {
		from := startRemembering(t, cluster, fmt.Sprint("1/p", p))
		wg.Go(func() {
			for n := range each {
				from.send(text(remembered, fmt.Sprint(p, "-", n)))
			}
		})
	}
	for n := range joining {
		place := a.position(remembered, fmt.Sprint(n%publishers, "-", n*each/joining))
		b := startRemembering(t, cluster, fmt.Sprint("1/j", n), remembered)
		wg.Go(func() {
			if r := b.recall(remembered, bus.Wish{After: []bus.Position{place}, Told: time.Now()}); !r.Whole {
				t.Errorf("%s: %+v", b.name, r)
			}
			for p := range publishers {
				a.position(remembered, fmt.Sprint(p, "-", each-1))
			}
			want := a.after(remembered, []bus.Position{place})
			if len(want) > 0 {
				b.position(remembered, want[len(want)-1]) // a publisher may have ended before the place
			}
			if got := b.after(remembered, []bus.Position{place}); !slices.Equal(got, want) {
				t.Errorf("%s has %d behind %+v, the others %d", b.name, len(got), place, len(want))
			}
		})
	}
	wg.Wait()
}
