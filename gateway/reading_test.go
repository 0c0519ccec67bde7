package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// read reads a page of what is kept, which has to have these bodies.
func (n *node) read(t *testing.T, destination, after string, limit int, bodies ...string) gateway.HistoryPage {
	t.Helper()
	page, err := n.History(t.Context(), destination, after, limit)
	if err != nil {
		t.Fatalf("%s after %q: %v", destination, after, err)
	}
	var got []string
	for _, m := range page.Messages {
		got = append(got, string(m.Body))
	}
	if fmt.Sprint(got) != fmt.Sprint(bodies) {
		t.Errorf("%s after %q, %d messages: %.200q, want %.200q", destination, after, limit, got, bodies)
	}
	return page
}

// TestHistory: an operator reads the last messages, and page after page what came behind a position, on any node; the positions are
// those of clients.
func TestHistory(t *testing.T) {
	cluster := membus.NewCluster()
	a, b := startOn(t, cluster), startOn(t, cluster)
	before := b.read(t, keptRoom, "", 10)
	if before.Position == "" || before.More {
		t.Errorf("of an empty room: %+v", before)
	}
	c := a.dialTCP(t).connect()
	c.begin("0", keptRoom)
	a.dialTCP(t).connect().say(keptRoom, numbers(1, 5)...)
	second := c.hear(numbers(1, 2)...)
	fifth := c.hear(numbers(3, 5)...)

	for _, n := range []*node{a, b} {
		bustest.Eventually(t, "the node has come as far", func() bool { return n.Figures().History.Messages == 5 })
		if p := n.read(t, keptRoom, "", 2, "m4", "m5"); p.More || p.Messages[1].Position != p.Position {
			t.Errorf("the last ones: %+v", p)
		}
		n.read(t, keptRoom, "", gateway.MaxHistory, numbers(1, 5)...)
		p := n.read(t, keptRoom, before.Position, 2, "m1", "m2")
		if !p.More {
			t.Error("nothing is behind the first page")
		}
		p = n.read(t, keptRoom, p.Position, 3, "m3", "m4", "m5")
		if p.More {
			t.Error("something is behind the last page")
		}
		n.read(t, keptRoom, second, 10, "m3", "m4", "m5")
		n.read(t, keptRoom, fifth, 10)
		n.read(t, keptRoom, p.Position, 10)
	}
	back := b.dialTCP(t).connect()
	back.begin("0", keptRoom, "resume:"+b.read(t, keptRoom, second, 1, "m3").Position)
	back.hear("m4", "m5")
}

// publish has a program publish to the broker.
func publish(t *testing.T, cluster *membus.Cluster, e bus.Envelope) {
	t.Helper()
	b := cluster.Bus("other")
	defer b.Close(context.Background())
	published := make(chan error, 1)
	if err := b.Publish(e, func(err error) { published <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
}

// TestHistoryMessage: a message is told as its sender meant it, whatever bytes it has and however many headers, and without what a
// MESSAGE alone has.
func TestHistoryMessage(t *testing.T) {
	cluster := membus.NewCluster()
	n := startOn(t, cluster)
	headers := []bus.Header{{Name: "content-type", Value: "a/b"}, {Name: "a:b", Value: "c\\\r\n:d "}, {Name: "x", Value: "1"}, {Name: "x", Value: "2"}}
	for i := range 100 {
		headers = append(headers, bus.Header{Name: fmt.Sprint("h", i), Value: strings.Repeat("v", 1000)})
	}
	foreign := []bus.Header{{Name: "message-id", Value: "f"}, {Name: "x-position", Value: "f"}, {Name: "destination", Value: "f"}}
	body := "\x00\xff\n\x00"
	publish(t, cluster, bus.Envelope{Destination: keptRoom, Headers: append(foreign, headers...), Body: []byte(body)})
	bustest.Eventually(t, "it is kept", func() bool { return n.Figures().History.Messages == 1 })
	m := n.read(t, keptRoom, "", 1, body).Messages[0]
	if fmt.Sprintf("%q", m.Headers) != fmt.Sprintf("%q", headers) {
		t.Errorf("got %q", m.Headers)
	}
	if m.Position == "" || m.Position == "f" {
		t.Errorf("its position is %q", m.Position)
	}
}

// TestHistoryOfMember: an inbox is read by its name on the bus.
func TestHistoryOfMember(t *testing.T) {
	cluster := membus.NewCluster()
	n := startOn(t, cluster)
	n.mustSetRules(t, compile(t, policy.Rules{
		Channels: []policy.Channel{
			{Match: "/member/{member}/queue/{name}", Subscribe: "true", Send: "true", History: policy.History{Size: 10, TTL: time.Hour}},
			{Match: "/topic/**", Subscribe: "true", Send: "true", Patterns: true},
		},
	}))
	for _, body := range []string{"m1", "m2"} {
		publish(t, cluster, bus.Envelope{Destination: "/member/7/queue/inbox", Body: []byte(body)})
	}
	bustest.Eventually(t, "they are kept", func() bool { return n.Figures().History.Messages == 2 })
	n.read(t, "/member/7/queue/inbox", "", 10, "m1", "m2")
	n.read(t, "/member/8/queue/inbox", "", 10)
}

// TestNoHistory: whoever can't have what he asks for is told why.
func TestNoHistory(t *testing.T) {
	cluster := membus.NewCluster()
	n := startOn(t, cluster)
	c := n.dialTCP(t).connect()
	c.begin("0", keptRoom)
	n.dialTCP(t).connect().say(keptRoom, numbers(1, 105)...)
	first := c.hear("m1")
	foreign := startOn(t, membus.NewCluster()).read(t, keptRoom, "", 1).Position
	plain := startNode(t, registry.NewNode(time.Now()), withoutPast{membus.NewCluster().Bus("plain")}, nil)
	for _, c := range []struct {
		name               string
		node               *node
		destination, after string
		limit              int
		want               error
		words              string
	}{
		{"no history", n, "/topic/plain", "", 1, gateway.ErrNoHistory, ""},
		{"a pattern", n, "/topic/*", "", 1, gateway.ErrNoHistory, ""},
		{"no name", n, "", "", 1, gateway.ErrNoHistory, ""},
		{"not UTF-8", n, "\xff", "", 1, gateway.ErrNoHistory, ""},
		{"a bus without a past", plain, keptRoom, "", 1, gateway.ErrNoHistory, ""},
		{"no position", n, keptRoom, "AAAA", 1, gateway.ErrPosition, "x-position"},
		{"cut", n, keptRoom, first[:len(first)-1], 1, gateway.ErrPosition, ""},
		{"another log", n, keptRoom, foreign, 1, gateway.ErrNotRecovered, "another one"},
		{"evicted", n, keptRoom, first, 1, gateway.ErrNotRecovered, "does not go back so far"},
		{"none", n, keptRoom, "", 0, nil, "1 to 10000"},
		{"too many", n, keptRoom, "", gateway.MaxHistory + 1, nil, "1 to 10000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			page, err := c.node.History(t.Context(), c.destination, c.after, c.limit)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%+v, %v", page, err)
			}
		})
	}
	idle := membus.NewCluster().Bus("idle")
	defer idle.Close(context.Background())
	g := newGateway(t, idle)
	if _, err := g.History(t.Context(), keptRoom, "", 1); !errors.Is(err, gateway.ErrNotRunning) {
		t.Errorf("of a node that does not run: %v", err)
	}
	if names, _, err := n.Destinations(t.Context(), "", "", 10); err != nil || len(names) != 1 || names[0].Subscribers != 1 {
		t.Errorf("when all is read, subscribed are %+v, %v", names, err)
	}
}

// withoutPast is a bus that brings what is live alone.
type withoutPast struct{ bus.Bus }

// TestHistoryIsBounded: a page has 8 MiB and a message more at most, and the next one goes on behind it.
func TestHistoryIsBounded(t *testing.T) {
	const size = 1 << 20
	n := start(t, gateway.WithLimits(gateway.Limits{Message: 2 * size, Outbound: 4 * size, Connections: 10, ConnectTimeout: patience}))
	c := n.dialTCP(t).connect()
	var bodies []string
	for i := range 20 {
		bodies = append(bodies, fmt.Sprint(i)+strings.Repeat("x", size))
	}
	c.say(keptRoom, bodies...)
	p := n.read(t, keptRoom, "", 20, bodies[:8]...)
	p = n.read(t, keptRoom, p.Position, 20, bodies[8:16]...)
	p = n.read(t, keptRoom, p.Position, 20, bodies[16:]...)
	if p.More {
		t.Error("more is said to be there")
	}
}

// TestHistoryWhileLive: who goes from page to page while others publish has each message once, in order.
func TestHistoryWhileLive(t *testing.T) {
	const count = 500
	n := start(t)
	position := n.read(t, longRoom, "", 1).Position
	c := n.dialTCP(t).connect()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { c.say(longRoom, numbers(1, count)...) })
	var got []string
	for len(got) < count {
		p, err := n.History(t.Context(), longRoom, position, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range p.Messages {
			got = append(got, string(m.Body))
		}
		position = p.Position
	}
	if !slices.Equal(got, numbers(1, count)) {
		t.Errorf("got %q", got)
	}
}

// silentBus is one whose answers to Recall a test gives.
type silentBus struct {
	*membus.Bus
	mu    sync.Mutex
	asked []func(bus.Recalled)
}

func (b *silentBus) Recall(_ string, _ bus.Wish, done func(bus.Recalled)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, done)
}

// answer waits until something is asked, and answers it.
func (b *silentBus) answer(t *testing.T, r bus.Recalled) {
	t.Helper()
	var done func(bus.Recalled)
	bustest.Eventually(t, "the bus is asked", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.asked) > 0 {
			done, b.asked = b.asked[0], b.asked[1:]
		}
		return done != nil
	})
	done(r)
}

// TestHistoryOfSilentBus: a bus that does not answer is an error, and nobody is taken for a subscriber who has gone meanwhile.
func TestHistoryOfSilentBus(t *testing.T) {
	name := registry.NewNode(time.Now())
	b := &silentBus{Bus: membus.NewCluster().Bus(name.String())}
	n := startNode(t, name, b, nil)
	subscribed := func(want int) {
		t.Helper()
		bustest.Eventually(t, "the subscription is there, or has gone", func() bool {
			names, _, err := n.Destinations(t.Context(), "", "", 10)
			return err == nil && len(names) == want
		})
	}
	told := make(chan error, 1)
	go func() {
		_, err := n.History(t.Context(), keptRoom, "", 1)
		told <- err
	}()
	subscribed(1)
	if ids, err := n.Subscribers(t.Context(), keptRoom); err != nil || len(ids) != 0 {
		t.Errorf("sessions %v, %v", ids, err)
	}
	b.answer(t, bus.Recalled{Err: fmt.Errorf("nothing came: %w", bus.ErrDown)}) // of the first question
	b.answer(t, bus.Recalled{Err: fmt.Errorf("nothing came: %w", bus.ErrDown)}) // of that for the last ones
	if err := <-told; !errors.Is(err, bus.ErrDown) {
		t.Errorf("the bus is silent: %v", err)
	}
	subscribed(0)

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := n.History(ctx, keptRoom, "", 1)
		told <- err
	}()
	subscribed(1)
	cancel()
	if err := <-told; !errors.Is(err, context.Canceled) {
		t.Errorf("whoever asked has left: %v", err)
	}
	subscribed(0)
	b.answer(t, bus.Recalled{}) // too late
	b.answer(t, bus.Recalled{})
}
