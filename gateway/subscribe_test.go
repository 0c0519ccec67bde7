package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus/membus"
)

// "SUBSCRIBE", "SUBSCRIBE id Header", "SUBSCRIBE ack Header", "UNSUBSCRIBE"
func TestSubscribeFaults(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		for _, test := range []struct{ name, version, frames, message string }{
			{"no destination", "1.2", "SUBSCRIBE\nid:1\nreceipt:r\n\n^@", "SUBSCRIBE needs a destination header"},
			{"empty destination", "1.2", "SUBSCRIBE\nid:1\ndestination:\nreceipt:r\n\n^@", "SUBSCRIBE needs a destination header"},
			{"no destination in 1.0", "1.0", "SUBSCRIBE\nid:1\nreceipt:r\n\n^@", "SUBSCRIBE needs a destination header"},
			{"header names are case sensitive", "1.2", "SUBSCRIBE\nid:1\nDestination:/topic/a\nreceipt:r\n\n^@", "SUBSCRIBE needs a destination header"},
			{"no id in 1.1", "1.1", "SUBSCRIBE\ndestination:/topic/a\nreceipt:r\n\n^@", "SUBSCRIBE needs an id header, which tells the session's subscriptions apart"},
			{"no id in 1.2", "1.2", "SUBSCRIBE\ndestination:/topic/a\nreceipt:r\n\n^@", "SUBSCRIBE needs an id header, which tells the session's subscriptions apart"},
			{"empty id", "1.2", "SUBSCRIBE\nid:\ndestination:/topic/a\nreceipt:r\n\n^@", "SUBSCRIBE needs an id header, which tells the session's subscriptions apart"},
			{"id twice", "1.2", "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n^@SUBSCRIBE\nid:1\ndestination:/topic/b\nreceipt:r\n\n^@", "a subscription of this session has the id \"1\" already: each needs an id of its own"},
			{"id twice, the second forbidden", "1.2", "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n^@SUBSCRIBE\nid:1\ndestination:/elsewhere\nreceipt:r\n\n^@", "a subscription of this session has the id \"1\" already: each needs an id of its own"},
			{"destination twice in 1.0", "1.0", "SUBSCRIBE\ndestination:/topic/a\n\n^@SUBSCRIBE\ndestination:/topic/a\nreceipt:r\n\n^@", "the session is subscribed to \"/topic/a\" already: give each subscription an id header of its own"},
			{"ack mode unknown", "1.2", "SUBSCRIBE\nid:1\ndestination:/topic/a\nack:Client\nreceipt:r\n\n^@", "unknown ack mode: STOMP 1.2 has auto, client and client-individual"},
			{"ack mode empty", "1.1", "SUBSCRIBE\nid:1\ndestination:/topic/a\nack:\nreceipt:r\n\n^@", "unknown ack mode: STOMP 1.1 has auto, client and client-individual"},
			{"client-individual in 1.0", "1.0", "SUBSCRIBE\nid:1\ndestination:/topic/a\nack:client-individual\nreceipt:r\n\n^@", "unknown ack mode: STOMP 1.0 has auto and client"},
			{"UNSUBSCRIBE without id", "1.2", "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n^@UNSUBSCRIBE\ndestination:/topic/a\nreceipt:r\n\n^@", "UNSUBSCRIBE needs an id header: that of the SUBSCRIBE"},
			{"UNSUBSCRIBE without id in 1.1", "1.1", "UNSUBSCRIBE\nreceipt:r\n\n^@", "UNSUBSCRIBE needs an id header: that of the SUBSCRIBE"},
			{"UNSUBSCRIBE of nothing in 1.0", "1.0", "UNSUBSCRIBE\nreceipt:r\n\n^@", "UNSUBSCRIBE needs an id header or a destination header: that of the SUBSCRIBE"},
		} {
			t.Run(test.name, func(t *testing.T) {
				c := dial(n).connectAs(test.version)
				c.send(test.frames)
				c.wantFault(escape(test.version, test.message), "receipt-id:r")
			})
		}
	})
}

// "SUBSCRIBE": what each version says of the subscription in MESSAGE.
func TestSubscription(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		for _, test := range []struct {
			name, version, header string
			want, not             string
		}{
			{"1.0 without an id", "1.0", "", "destination:/topic/a", "subscription:"},
			{"1.0 with an id", "1.0", "id: x \n", "subscription:x", "ack:"},
			{"1.0 ack:client", "1.0", "ack: client\n", "destination:/topic/a", "ack:"},
			{"1.1", "1.1", "id:x\nack:client\n", "subscription:x", "ack:"},
			{"1.2", "1.2", "id:x\n", "subscription:x", "ack:"},
			{"1.2 ack:auto", "1.2", "id:x\nack:auto\n", "subscription:x", "ack:"},
			{"a selector is ignored", "1.2", "id:x\nselector:a = 1\n", "subscription:x", "selector"},
		} {
			t.Run(test.name, func(t *testing.T) {
				c := dial(n).connectAs(test.version)
				c.send("SUBSCRIBE\ndestination:/topic/a\n" + test.header + "receipt:r\n\n^@")
				c.expect("RECEIPT")
				c.send("SEND\ndestination:/topic/a\n\nx^@")
				if frame := c.expect("MESSAGE", test.want, "x"); strings.Contains(frame, "\n"+test.not) {
					t.Errorf("got %q, and no %s is due", frame, test.not)
				}
				c.send("DISCONNECT\nreceipt:d\n\n^@")
				c.expect("RECEIPT")
				c.wantClosed()
			})
		}
	})
}

// One session may hold several subscriptions, to one destination too; each gets its own MESSAGE.
func TestSeveralSubscriptions(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n).connect()
		c.subscribe("1", "/topic/a")
		c.subscribe("2", "/topic/a")
		c.subscribe("3", "/topic/b")
		c.send("SEND\ndestination:/topic/a\n\nx^@")
		first, second := c.expect("MESSAGE", "x"), c.expect("MESSAGE", "x")
		got := []string{header(t, first, "subscription"), header(t, second, "subscription")}
		if slices.Sort(got); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("got %q", got)
		}
		c.send("UNSUBSCRIBE\nid:1\nreceipt:u\n\n^@")
		c.expect("RECEIPT", "receipt-id:u")
		c.send("SEND\ndestination:/topic/a\n\ny^@SEND\ndestination:/topic/b\n\nz^@")
		c.expect("MESSAGE", "subscription:2", "y")
		c.expect("MESSAGE", "subscription:3", "z")
		c.wantAlive()
		c.subscribe("1", "/topic/c") // an id that has been given back
		c.send("SEND\ndestination:/topic/c\n\nw^@")
		c.expect("MESSAGE", "subscription:1", "w")
	})
}

// What is published once the RECEIPT of SUBSCRIBE is there arrives, from whatever node.
func TestReceiptOfSubscribe(t *testing.T) {
	cluster := membus.NewCluster()
	here, there := startOn(t, cluster), startOn(t, cluster)
	writer := there.dialTCP(t).connect()
	for i := range 50 {
		reader := here.dialTCP(t).connect()
		destination := fmt.Sprint("/topic/", i)
		reader.subscribe("0", destination)
		writer.send("SEND\ndestination:" + destination + "\n\nx^@")
		reader.expect("MESSAGE", "x")
		reader.send("DISCONNECT\nreceipt:d\n\n^@")
		reader.expect("RECEIPT")
	}
}

// TestOrder: one publisher's messages to a destination come in order to every subscriber, over all
// loops, transports and nodes, while many publish.
func TestOrder(t *testing.T) {
	const publishers, readers, messages = 4, 8, 300
	cluster := membus.NewCluster()
	nodes := []*node{startOn(t, cluster), startOn(t, cluster)}
	var clients []*client
	for i := range readers {
		c := nodes[i%2].dialTCP(t)
		if i%4 < 2 {
			c = nodes[i%2].dialWS(t)
		}
		c.connect().subscribe("0", "/topic/a")
		clients = append(clients, c)
	}
	var wg sync.WaitGroup
	for p := range publishers {
		c := nodes[p%2].dialTCP(t).connect()
		wg.Go(func() {
			for i := range messages {
				if _, err := fmt.Fprintf(c.conn, "SEND\ndestination:/topic/a\nfrom:%d\n\n%d\x00", p, i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i, c := range clients {
		wg.Go(func() {
			var next [publishers]int
			for range publishers * messages {
				frame, err := c.read()
				if err != nil {
					t.Errorf("reader %d: %v", i, err)
					return
				}
				from := header(t, frame, "from")[0] - '0'
				if _, body, _ := strings.Cut(frame, "\n\n"); body != fmt.Sprint(next[from]) {
					t.Errorf("reader %d: message %s of publisher %d comes when %d is due", i, body, from, next[from])
					return
				}
				next[from]++
			}
		})
	}
	wg.Wait()
}
