package kafkabus

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
)

// node is a bus at work, and all that it has delivered.
type node struct {
	*Bus
	t     *testing.T
	ready chan struct{}
	stop  func() // closes the bus; the test's end does it too
	lines bustest.Log

	mu     sync.Mutex
	got    []delivered
	holes  []bus.Position
	events []uint32 // of the holes
}

// delivered is an envelope as it came.
type delivered struct {
	destination, body string
	marked            bool
	mark              bus.Mark
}

// kept is a Keep of what is below /topic/kept.
func kept(age time.Duration) bus.Keep {
	return bus.Keep{
		Patterns: []string{"/topic/kept/**"},
		Has:      func(d string) bool { return strings.HasPrefix(d, "/topic/kept/") },
		Size:     100, Age: age, Bytes: 64 << 20,
	}
}

// startNode starts a node that remembers keep, if it has anything. change may change the bus before it receives, and
// before, if set, runs before something is delivered.
func startNode(t *testing.T, cfg Config, keep bus.Keep, change func(*Bus), before func(bus.Envelope)) *node {
	t.Helper()
	n := &node{t: t, ready: make(chan struct{})}
	b, err := New(cfg, "1/"+strings.ReplaceAll(t.Name(), "/", "."), slog.New(slog.NewTextHandler(&n.lines, nil)))
	must(t, err)
	n.Bus = b
	if keep.Has != nil {
		b.Remember(keep)
	}
	if change != nil {
		change(b)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.Receive(context.Background(), func() { close(n.ready) }, func(e bus.Envelope) {
			if before != nil {
				before(e)
			}
			n.keep(e)
		})
	}()
	n.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		b.Close(ctx)
		<-ended
		if t.Failed() {
			t.Logf("the log of a node:\n%s", n.log())
		}
	})
	t.Cleanup(n.stop)
	return n
}

// newNode starts a node, and waits until it is ready.
func newNode(t *testing.T, cfg Config, keep bus.Keep) *node {
	t.Helper()
	n := startNode(t, cfg, keep, nil, nil)
	n.poll("to be ready", n.isReady)
	return n
}

func (n *node) isReady() bool {
	select {
	case <-n.ready:
		return true
	default:
		return false
	}
}

func (n *node) keep(e bus.Envelope) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.Mark != nil && e.Mark.Hole {
		n.holes, n.events = append(n.holes, e.Mark.At), append(n.events, e.Mark.Event)
		return
	}
	d := delivered{destination: e.Destination, body: string(e.Body), marked: e.Mark != nil}
	if d.marked {
		d.mark = *e.Mark
	}
	n.got = append(n.got, d)
}

func (n *node) log() string { return n.lines.String() }

func (n *node) poll(what string, holds func() bool) {
	n.t.Helper()
	poll(n.t, what, holds, func() any { return n.Healthy() }, func() any { return n.bodies() })
}

// bodies returns what has come, each past one with a p before it.
func (n *node) bodies() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for _, d := range n.got {
		if d.mark.Past {
			d.body = "p" + d.body
		}
		all = append(all, d.body)
	}
	return strings.Join(all, " ")
}

// want waits until exactly that has come, in any order of the partitions.
func (n *node) want(bodies string) {
	n.t.Helper()
	want := strings.Fields(bodies)
	slices.Sort(want)
	got := func() []string { list := strings.Fields(n.bodies()); slices.Sort(list); return list }
	n.poll("for "+bodies, func() bool { return len(got()) >= len(want) })
	if list := got(); !slices.Equal(list, want) {
		n.t.Errorf("got %v, want %v", list, want)
	}
}

// send publishes bodies to a destination, one after the other.
func (n *node) send(destination string, bodies ...string) {
	n.t.Helper()
	for _, body := range bodies {
		n.poll("for the broker to take "+body, func() bool {
			answer := make(chan error, 1)
			err := n.Publish(bus.Envelope{Destination: destination, Body: []byte(body)}, func(err error) { answer <- err })
			return err == nil && <-answer == nil
		})
	}
}

// position returns the position of a message, when it has come.
func (n *node) position(body string) (at bus.Position) {
	n.t.Helper()
	n.poll("for "+body, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, d := range n.got {
			if d.body == body {
				at = d.mark.At
			}
		}
		return at != bus.Position{}
	})
	return at
}

// recall returns what the bus says of a wish.
func (n *node) recall(destination string, w bus.Wish) bus.Recalled {
	n.t.Helper()
	answer := make(chan bus.Recalled, 1)
	n.Recall(destination, w, func(a bus.Recalled) { answer <- a })
	select {
	case a := <-answer:
		return a
	case <-untilDeadline(n.t).Done():
		n.t.Fatalf("no answer to %+v", w)
		return bus.Recalled{}
	}
}

// wantRecall recalls positions that were told now, and checks whether that is whole.
func (n *node) wantRecall(what string, whole bool, destination string, after ...bus.Position) {
	n.t.Helper()
	n.wantWish(what, whole, destination, bus.Wish{After: after, Told: time.Now()})
}

func (n *node) wantWish(what string, whole bool, destination string, w bus.Wish) {
	n.t.Helper()
	if a := n.recall(destination, w); a.Whole != whole || (a.Err == nil) != whole {
		n.t.Errorf("%s: whole is %t, error %v", what, a.Whole, a.Err)
	}
}

// wantHoles waits until holes have been told.
func (n *node) wantHoles(want ...bus.Position) {
	n.t.Helper()
	got := func() []bus.Position { n.mu.Lock(); defer n.mu.Unlock(); return slices.Clone(n.holes) }
	n.poll("for the holes", func() bool { return len(got()) >= len(want) })
	if list := got(); !slices.Equal(list, want) {
		n.t.Errorf("holes %v, want %v", list, want)
	}
}

func (n *node) wantLogged(text string) {
	n.t.Helper()
	n.poll("until the log has "+text, func() bool { return strings.Contains(n.log(), text) })
}

// foreign writes a record without a key, of a time, if it is not zero, to a partition.
func foreign(t *testing.T, w *writer, topic string, partition int, destination, body string, at time.Time) {
	t.Helper()
	poll(t, "for the broker to take "+body, func() bool { // who has just made the topic may not lead it yet
		return w.produce(topic, partition, kafka.Record{
			Time: at, Value: kafka.NewBytes([]byte(body)),
			Headers: []kafka.Header{{Key: form.DestinationHeader, Value: []byte(destination)}},
		}) == nil
	})
}
