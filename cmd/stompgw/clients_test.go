package main

import (
	"fmt"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestClientsCostNoGoroutine: goroutines, and sockets other than those of the clients, do not grow
// with the number of clients and of their destinations.
func TestClientsCostNoGoroutine(t *testing.T) {
	for _, test := range []struct{ name, bus string }{
		{"nats", natsAt(servers.NATS(t, 0).Addr)},
		{"kafka", kafkaAt(servers.Fake(t, 3).Addrs...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := startNodes(t, 1, test.bus)[0]
			n.occupy(t, 0, 10)
			goroutines, sockets := n.use(t)
			const more = 500
			n.occupy(t, 10, more)
			moreGoroutines, moreSockets := n.use(t)
			const slack = more / 50 // of the Go runtime, and of the scrape itself
			if moreGoroutines > goroutines+slack || moreSockets > sockets+slack {
				t.Errorf("%v goroutines and %v sockets with 10 clients, %v and %v with %d more",
					goroutines, sockets, moreGoroutines, moreSockets, more)
			}
		})
	}
}

// occupy connects clients that subscribe and publish, each to a destination of its own.
func (n *node) occupy(t *testing.T, first, count int) {
	t.Helper()
	for i := range count {
		c, own := connect(t, n.Addr), fmt.Sprintf("/topic/room-%d", first+i)
		c.subscribe(t, own)
		c.send(t, "SEND", "hello", "destination", own)
		c.expect(t, "MESSAGE")
	}
}

// use returns the goroutines of a node, and its descriptors besides those of its clients.
func (n *node) use(t *testing.T) (goroutines, descriptors float64) {
	t.Helper()
	return n.figure(t, "go_goroutines"), n.figure(t, "process_open_fds") - n.figure(t, "stompgw_connections")
}
