package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestCluster holds what several nodes on one bus promise, on each bus.
func TestCluster(t *testing.T) {
	t.Run("nats", func(t *testing.T) { testCluster(t, natsAt(servers.NATS(t, 0).Addr)) })
	t.Run("fake kafka", func(t *testing.T) { testCluster(t, kafkaAt(servers.Fake(t, 3).Addrs...)) })
	t.Run("kafka", func(t *testing.T) { testCluster(t, kafkaAt(shared.Kafka(t).Addr)) })
}

// natsAt is the configuration of a bus.
func natsAt(addr string) string {
	return fmt.Sprintf(`bus: { driver: nats, nats: { url: "nats://%s" } }`, addr)
}

// kafkaAt is the configuration of a bus whose first node creates the topic.
func kafkaAt(addrs ...string) string {
	return fmt.Sprintf(`bus: { driver: kafka, kafka: { brokers: ["%s"], create: true, partitions: 6 } }`, strings.Join(addrs, `", "`))
}

// testCluster runs each test on three nodes: on two, each would have one other node alone.
func testCluster(t *testing.T, bus string) {
	nodes := startNodes(t, 3, bus)
	t.Run("broadcast", func(t *testing.T) { testBroadcast(t, nodes) })
	t.Run("joining", func(t *testing.T) { testJoining(t, nodes) })
	t.Run("individual", func(t *testing.T) { testIndividual(t, nodes) })
}

// testBroadcast: 1,000 subscribers get each message of 10 publishers once and in order.
func testBroadcast(t *testing.T, nodes []*node) {
	tr := newTraffic(t, nodes, 4, 10, 1000)
	tr.publish(20)
	tr.wantAll()
	if got := tr.acked(); got != 5 {
		t.Errorf("%d RECEIPTs in a stream, want 5", got)
	}
}

// testJoining: who joins while messages flow gets all of them from its RECEIPT on, as the first
// subscriber of the destination on its node and as a later one.
func testJoining(t *testing.T, nodes []*node) {
	const destinations, twice = 10, 2
	tr := newTraffic(t, nodes, destinations, 10, 0)
	stop := tr.flow(time.Millisecond)
	for i := range destinations * len(nodes) * twice {
		tr.join(nodes[i%len(nodes)], destination(i/len(nodes)%destinations))
	}
	tr.awaitAcked(1)
	stop()
	tr.wantAll()
}

// testIndividual: what is meant for one session reaches that one alone, whichever node publishes.
func testIndividual(t *testing.T, nodes []*node) {
	const private = "/session/queue/private"
	const each = 10
	var clients []*client
	for i := range len(nodes) * each {
		c := connect(t, nodes[i%len(nodes)].Addr)
		c.subscribe(t, private)
		clients = append(clients, c)
	}
	for i, c := range clients[:len(nodes)] {
		body := fmt.Sprintf("for a session on node %d", i)
		another := nodes[(i+1)%len(nodes)]
		another.cli(t, "publish", "/queue/private", body, "--session", c.session)
		if f := c.expect(t, "MESSAGE"); f.body != body || f.headers["destination"] != private {
			t.Errorf("got %+v, want %q to %s", f, body, private)
		}
	}
	for _, c := range clients { // nothing else has come before the answer to this
		c.subscribe(t, "/topic/last")
	}
}
