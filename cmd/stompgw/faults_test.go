package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// pace is what a publisher waits between two messages while a fault strikes.
const pace = 20 * time.Millisecond

// rounds returns how often each fault strikes: $FAULT_ROUNDS times, or 2, so that it finds what the one before has left.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("FAULT_ROUNDS")
	if text == "" {
		return 2
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("FAULT_ROUNDS=%s: want a number from 1 up", text)
	}
	return n
}

// topic is the one of the tests that create it themselves.
const topic = "stompgw-test"

// existing is the configuration of a bus with that topic.
func existing(addrs ...string) string {
	return fmt.Sprintf(`bus: { driver: kafka, kafka: { brokers: ["%s"], topic: %s } }`, strings.Join(addrs, `", "`), topic)
}

// TestKafkaFaults: whatever happens to the broker or a node, every SEND with a RECEIPT reaches each
// subscriber that stays, once and in order.
func TestKafkaFaults(t *testing.T) {
	t.Parallel() // with those that wait for an outage, too
	b := servers.Kafka(t)
	b.CreateTopic(t, topic, 6)
	nodes := startNodes(t, 3, existing(b.Addr))
	t.Run("broker stopped", func(t *testing.T) {
		strikes(t, nodes, func(tr *traffic) {
			b.Stop(t)
			wantAway(tr)
			b.Start(t)
		})
	})
	t.Run("broker silent", func(t *testing.T) {
		strikes(t, nodes, func(tr *traffic) {
			resume := suspend(t, &b.Process)
			wantAway(tr)
			resume()
		})
	})
	t.Run("broker killed", func(t *testing.T) {
		strikes(t, nodes, func(*traffic) {
			b.Kill()
			b.Start(t)
		})
	})
	t.Run("node killed", func(t *testing.T) {
		victim := nodes[2]
		strikes(t, nodes[:2], func(tr *traffic) { killNode(tr, victim) })
	})
}

// TestFakeKafkaFaults: leaders move and partitions are added under load. What then comes of one
// destination by another partition may overtake.
func TestFakeKafkaFaults(t *testing.T) {
	t.Parallel()
	f := servers.Fake(t, 3)
	partitions := 4
	if err := f.CreateTopic(topic, int32(partitions), nil); err != nil {
		t.Fatal(err)
	}
	nodes := startNodes(t, 2, existing(f.Addrs...))
	t.Run("leaders moved", func(t *testing.T) {
		strikes(t, nodes, func(tr *traffic) {
			for range 4 {
				f.ShufflePartitionLeaders()
				tr.awaitAcked(5)
			}
		})
	})
	t.Run("answers lost", func(t *testing.T) { // the batches are there, and are written again
		strikes(t, nodes, func(tr *traffic) {
			lost := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: 10})
			if err := lost.Wait(t.Context(), 10); err != nil {
				t.Error(err)
			}
		})
		if n := nodes[0].figure(t, "stompgw_bus_repeated_envelopes_total"); n == 0 {
			t.Error("no batch came twice")
		}
	})
	t.Run("partitions added", func(t *testing.T) {
		strike(t, nodes, func(tr *traffic) {
			f.ShufflePartitionLeaders()
			partitions += 2
			servers.AddPartitions(t, f.Addrs[0], topic, partitions)
			tr.awaitAcked(30)
		}, func(tr *traffic) {
			if o := tr.settle(nil); o.lost+o.doubled > 0 {
				t.Errorf("%s; want nothing lost or doubled", o)
			}
		})
	})
}

// strikes has a fault strike, again and again, and wants nothing lost, doubled or out of order.
func strikes(t *testing.T, nodes []*node, fault func(*traffic)) {
	t.Helper()
	strike(t, nodes, fault, (*traffic).wantAll)
}

// strike has a fault strike while messages flow, again and again, waits until the nodes are well again, and
// has judge look at what became of all that was sent meanwhile. What is sent after that has to arrive in any
// case, and comes last.
func strike(t *testing.T, nodes []*node, fault, judge func(*traffic)) {
	t.Helper()
	for round := range rounds(t) {
		tr := newTraffic(t, nodes, 3, 5, 30)
		stop := tr.flow(pace)
		tr.awaitAcked(5)
		fault(tr)
		for _, n := range tr.nodes {
			n.awaitReady(t, true)
		}
		stop()
		tr.awaitProbes()
		after := tr.begun()
		tr.publish(3 * 10)
		if o := tr.settle(after); o.lost > 0 {
			t.Errorf("after the fault: %s", o)
		}
		judge(tr)
		t.Logf("round %d: %s", round+1, tr.outcome(nil))
		tr.end()
	}
}

// wantAway returns when each node has said that it isn't ready, and has refused SENDs with code 5.
func wantAway(tr *traffic) {
	tr.t.Helper()
	for _, n := range tr.nodes {
		if said := n.awaitReady(tr.t, false); !strings.Contains(said, "bus: ") {
			tr.t.Errorf("/readyz says %q, want why the bus is away", said)
		}
		p, stop := tr.probe(n)
		bustest.Eventually(tr.t, "a SEND is refused with code 5", func() bool { return p.refused()[5] > 0 })
		stop()
	}
}

// killNode kills a node under its clients, and starts it again. Of its own publisher, too, all that
// has a RECEIPT counts.
func killNode(tr *traffic, n *node) {
	tr.t.Helper()
	bystander := connect(tr.t, n.Addr)
	p := tr.newPublisher(n, 20)
	ended := make(chan error, 1)
	go func() { ended <- p.publish(tr.t.Context(), forever, 0) }()
	bustest.Eventually(tr.t, "the node that will be killed has work", func() bool { return p.streams[0].begun() > 100 })
	n.Kill()
	if err := <-ended; err == nil {
		tr.t.Error("a publisher outlived its node")
	}
	if f, err := bystander.read(); err == nil {
		tr.t.Errorf("a client of the node that was killed got %+v", f)
	}
	n.Start(tr.t)
}
