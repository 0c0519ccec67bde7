package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// moodyBus is a membus whose answer depends on the destination.
type moodyBus struct{ *membus.Bus }

func (b moodyBus) Publish(e bus.Envelope, done func(error)) error {
	switch e.Destination {
	case "/topic/down":
		return bus.ErrDown
	case "/topic/unknown":
		return b.Bus.Publish(e, func(error) { done(bus.ErrUnknown) })
	case "/topic/large":
		return bus.ErrTooLarge
	case "/topic/text-only":
		return bus.ErrContent
	case "/topic/uncarried":
		return errors.New("no way to write it")
	case "/topic/oversized": // as a program with its own way to the broker may publish
		e.Body = make([]byte, 256<<10)
	}
	return b.Bus.Publish(e, done)
}

// startMoody runs a node over a moodyBus, with room for little that waits.
func startMoody(t testing.TB) *node {
	name := registry.NewNode(time.Now())
	return startNode(t, name, moodyBus{membus.NewCluster().Bus(name.String())}, nil, gateway.WithLimits(gateway.Limits{
		Message: 64 << 10, Outbound: 256 << 10, Connections: 100, ConnectTimeout: patience,
	}))
}

// act is something that a client does, and what that adds to the counts.
type act struct {
	name string
	do   func(t *testing.T, n *node)
	adds gateway.Figures
}

// TestFigures: each count is moved by what it counts, by just as much, and by nothing else.
func TestFigures(t *testing.T) {
	acts := []act{
		{"CONNECT", func(t *testing.T, n *node) { n.dialWS(t).connect() }, gateway.Figures{Frames: 1}},
		{"heart-beats are no frames", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.send("\n\n\n")
			c.ask("SEND\ndestination:/topic/nobody\nreceipt:r\n\n^@")
		}, gateway.Figures{Frames: 2, Published: 1}},
		{"a transaction", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.send("BEGIN\ntransaction:t\n\n^@" + strings.Repeat("SEND\ndestination:/topic/nobody\ntransaction:t\n\n^@", 3))
			c.ask("COMMIT\ntransaction:t\nreceipt:r\n\n^@")
		}, gateway.Figures{Frames: 6, Published: 3}},
		{"to three subscriptions of two sessions", func(t *testing.T, n *node) {
			one, two := n.dialTCP(t).connect(), n.dialWS(t).connect()
			one.subscribe("0", "/topic/a")
			one.subscribe("1", "/topic/a")
			two.subscribe("0", "/topic/a")
			one.send("SEND\ndestination:/topic/a\nreceipt:r\n\n^@")
			two.expect("MESSAGE")
			for range 3 {
				one.next() // two MESSAGEs and the RECEIPT, in an order that the bus decides
			}
		}, gateway.Figures{Frames: 6, Published: 1, Delivered: 3}},
		{"to the own session", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.subscribe("0", "/session/queue/answers")
			c.send("SEND\ndestination:/session/queue/answers\nreceipt:r\n\n^@")
			c.next()
			c.next()
		}, gateway.Figures{Frames: 3, Published: 1, Delivered: 1}},
		{"NACK", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.send("SUBSCRIBE\nid:0\ndestination:/topic/b\nack:client\n\n^@SEND\ndestination:/topic/b\n\n^@")
			_, id, _ := strings.Cut(c.expect("MESSAGE"), "\nack:")
			id, _, _ = strings.Cut(id, "\n")
			c.ask("NACK\nid:" + id + "\nreceipt:r\n\n^@")
		}, gateway.Figures{Frames: 4, Published: 1, Delivered: 1, Nacks: 1}},
		{"a replay", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.say(keptRoom, "m1")
			c.begin("0", keptRoom, "history:1")
			c.hear("m1")
		}, gateway.Figures{Frames: 3, Published: 1, Delivered: 1, Replayed: 1}},
		{"an operator's look at what is kept", func(t *testing.T, n *node) {
			if _, err := n.History(t.Context(), keptRoom, "", 10); err != nil {
				t.Error(err)
			}
		}, gateway.Figures{}},
		{"a kick", func(t *testing.T, n *node) {
			c := n.dialTCP(t)
			n.mustKick(t, gateway.Kick{}, c.connectID())
			c.expect("ERROR")
		}, gateway.Figures{Frames: 1, Kicked: 1}},
		{"a fault in what a frame says", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.send("SEND\n\n^@")
			c.expect("ERROR")
		}, gateway.Figures{Frames: 2, Faults: 1}},
		{"a fault in how a frame is written", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.send("SEND\ndestination:\\t\n\n^@")
			c.expect("ERROR")
		}, gateway.Figures{Frames: 1, Faults: 1}},
		{"messages that are not acknowledged", tooManyUnacknowledged, gateway.Figures{
			Frames: 2 + 1 + 1005, Published: 1005, Delivered: 1005, SlowCloses: 1,
		}},
		{"a message that is too large for any client", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.subscribe("0", "/topic/oversized")
			c.subscribe("1", "/topic/a")
			c.send("SEND\ndestination:/topic/oversized\n\n^@SEND\ndestination:/topic/a\n\n^@")
			if f := c.expect("MESSAGE"); !strings.Contains(f, "\nsubscription:1\n") {
				t.Errorf("got %q", f)
			}
		}, gateway.Figures{Frames: 5, Published: 2, Delivered: 1, Oversized: 1}},
		{"a message that is no text, for a client of SockJS", func(t *testing.T, n *node) {
			c, writer := n.dialSock(t, xhrPolling()).connect(), n.dialTCP(t).connect()
			c.subscribe("0", "/topic/d")
			writer.send("SEND\ndestination:/topic/d\n\n\xff^@SEND\ndestination:/topic/d\n\ntext^@")
			c.expect("MESSAGE", "text")
		}, gateway.Figures{Frames: 5, Published: 2, Delivered: 1, Unpackable: 1}},
		{"an unheard refusal", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.send("SEND\ndestination:/elsewhere\n\n^@")
			c.ask("SEND\ndestination:/topic/nobody\nreceipt:r\n\n^@")
		}, gateway.Figures{Frames: 3, Published: 1, Unheard: 1, Refused: map[policy.Code]uint64{policy.CodeNoRule: 1}}},
		refused(policy.CodeNotAllowed, "SEND\ndestination:/topic/secret/a\n\n^@", gateway.Figures{Frames: 1}),
		refused(policy.CodeNoRule, "SUBSCRIBE\nid:1\ndestination:/elsewhere\n\n^@", gateway.Figures{Frames: 1}),
		refused(policy.CodePattern, "SUBSCRIBE\nid:1\ndestination:/topic/*\n\n^@", gateway.Figures{Frames: 1}),
		refused(policy.CodeUnavailable, "SEND\ndestination:/topic/down\n\n^@", gateway.Figures{Frames: 1}),
		refused(policy.CodeUnknown, "SEND\ndestination:/topic/unknown\n\n^@", gateway.Figures{Frames: 1, Published: 1}),
		refused(policy.CodeTooLarge, "SEND\ndestination:/topic/large\n\n^@", gateway.Figures{Frames: 1}),
		refused(policy.CodeDestination, "SEND\ndestination:/topic/uncarried\n\n^@", gateway.Figures{Frames: 1}),
		refused(policy.CodeContent, "SEND\ndestination:/topic/text-only\n\n\xff^@", gateway.Figures{Frames: 1}),
		refused(policy.CodeTooMany, manySubscriptions(1000), gateway.Figures{Frames: 1000}), // and that to the error destination
		refused(policy.CodeNotSubscribed, "UNSUBSCRIBE\nid:1\n\n^@", gateway.Figures{Frames: 1}),
		{"a transaction with a refused SEND", func(t *testing.T, n *node) {
			c := n.dialTCP(t).connect()
			c.subscribe("e", "/session/queue/request-error")
			c.send("BEGIN\ntransaction:t\n\n^@SEND\ndestination:/elsewhere\ntransaction:t\n\n^@COMMIT\ntransaction:t\n\n^@")
			c.expect("MESSAGE")
			c.expect("MESSAGE")
		}, gateway.Figures{Frames: 5, Delivered: 2, Refused: map[policy.Code]uint64{policy.CodeNoRule: 1, policy.CodeTransaction: 1}}},
	}
	n := startMoody(t)
	moved := map[string]bool{
		"RefusedOther": true, // in TestInterceptorDecides
		"Withheld":     true, // in TestWithheld
		"Blocked":      true, // in TestBlock
		"HungCloses":   true, // in TestHungClient
		"LeftOut":      true, // in the router's own test
		"Dropped":      true, // in TestLimits
	}
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			before := n.Figures()
			a.do(t, n)
			wantAdded(t, before, n.Figures(), a.adds)
		})
		for name := range counts(a.adds) {
			moved[name] = true
		}
	}
	for field := range reflect.TypeFor[gateway.Figures]().Fields() {
		if field.Type.Kind() == reflect.Uint64 && !moved[field.Name] {
			t.Errorf("no act moves %s", field.Name)
		}
	}
}

// refused is a frame that is refused with a code, in a session that listens for it.
func refused(code policy.Code, frames string, adds gateway.Figures) act {
	adds.Frames += 2 // CONNECT, SUBSCRIBE
	adds.Delivered++
	adds.Refused = map[policy.Code]uint64{code: 1}
	return act{"refused with " + policy.Refuse(code).Word, func(t *testing.T, n *node) {
		c := n.dialTCP(t).connect()
		c.subscribe("e", "/session/queue/request-error")
		c.send(frames)
		c.expect("MESSAGE", "subscription:e")
	}, adds}
}

func manySubscriptions(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "SUBSCRIBE\nid:%d\ndestination:/topic/many\n\n^@", i)
	}
	return b.String()
}

// tooManyUnacknowledged fills the window of a subscription, and then what may wait behind it.
func tooManyUnacknowledged(t *testing.T, n *node) {
	reader, writer := n.dialTCP(t).connect(), n.dialTCP(t).connect()
	reader.send("SUBSCRIBE\nid:0\ndestination:/topic/c\nack:client\nreceipt:s\n\n^@")
	reader.expect("RECEIPT")
	writer.send(strings.Repeat("SEND\ndestination:/topic/c\n\n^@", 1000))
	large := "\n" + strings.Repeat("x", 60<<10) + "^@"
	writer.send(strings.Repeat("SEND\ndestination:/topic/c\n"+large, 4))
	writer.ask("SEND\ndestination:/topic/c\nreceipt:r\n" + large)
	for range 1000 {
		reader.expect("MESSAGE")
	}
	reader.expect("ERROR")
}

// ask sends a frame and waits for its RECEIPT.
func (c *client) ask(frame string) {
	c.t.Helper()
	c.send(frame)
	c.expect("RECEIPT")
}

// counts returns those of the counts that are not 0, by name.
func counts(f gateway.Figures) map[string]uint64 {
	list := map[string]uint64{}
	for field, value := range reflect.ValueOf(f).Fields() {
		if value.Kind() == reflect.Uint64 && value.Uint() > 0 {
			list[field.Name] = value.Uint()
		}
	}
	for code, count := range f.Refused {
		if count > 0 {
			list["Refused "+policy.Refuse(code).Word] = count
		}
	}
	return list
}

func wantAdded(t *testing.T, before, after, adds gateway.Figures) {
	t.Helper()
	got, start := counts(after), counts(before)
	for name := range start {
		if got[name] -= start[name]; got[name] == 0 {
			delete(got, name)
		}
	}
	if want := counts(adds); !maps.Equal(got, want) {
		t.Errorf("it added %v, want %v", got, want)
	}
}

// TestFiguresOfNow follows connections and sessions from before Run until after it. The counts
// stay when the node has stopped: a scrape that comes late must not see them fall.
func TestFiguresOfNow(t *testing.T) {
	t.Parallel()
	want := func(g *gateway.Gateway, sessions, connections int) {
		t.Helper()
		bustest.Eventually(t, fmt.Sprintf("%d sessions, %d connections", sessions, connections), func() bool {
			f := g.Figures()
			return f.Sessions == sessions && f.Connections == connections
		})
	}
	idle := newGateway(t, measuredBus{})
	want(idle, 0, 0)
	f := idle.Figures()
	wantAdded(t, gateway.Figures{}, f, gateway.Figures{})
	if !errors.Is(f.BusError, bus.ErrDown) || f.Bus == nil || !reflect.DeepEqual(*f.Bus, measuredBus{}.Figures()) || len(f.Refused) != len(policy.Codes()) {
		t.Errorf("figures %+v, want those of the bus, and a count for each code", f)
	}

	n := start(t)
	want(n.Gateway, 0, 0)
	c, silent := n.dialTCP(t), n.dialWS(t)
	want(n.Gateway, 0, 2)
	page, err := http.Get("http://" + n.web + "/")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, page.Body) // or the client may close the connection
	page.Body.Close()
	want(n.Gateway, 0, 3) // net/http keeps it for the next request
	http.DefaultClient.CloseIdleConnections()
	want(n.Gateway, 0, 2)
	c.connect().subscribe("0", "/topic/a")
	want(n.Gateway, 1, 2)
	c.send("SEND\ndestination:/topic/a\nreceipt:r\n\n^@")
	c.next() // the MESSAGE and the RECEIPT, in either order
	c.next()
	silent.conn.Close()
	want(n.Gateway, 1, 1)
	before := n.Figures()
	n.stop()
	want(n.Gateway, 0, 0)
	wantAdded(t, before, n.Figures(), gateway.Figures{})
	if before.Delivered != 1 || before.Bus != nil || before.BusError != nil {
		t.Errorf("figures %+v", before)
	}
}

// measuredBus is away, and can tell figures.
type measuredBus struct{ bus.Bus }

func (measuredBus) Healthy() error { return bus.ErrDown }
func (measuredBus) Figures() bus.Figures {
	return bus.Figures{Queued: 7, Partitions: []bus.PartitionFigures{{Lag: 5}}}
}
