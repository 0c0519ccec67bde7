package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestNATSRestart: what is published while the server is away may be lost, and nothing before and
// after.
func TestNATSRestart(t *testing.T) {
	nats := servers.NATS(t, 0)
	nodes := startNodes(t, 2, natsAt(nats.Addr))
	losses(t, newTraffic(t, nodes, 3, 5, 30), "bus disconnected", "stompgw_bus_reconnects_total", func(tr *traffic) {
		nats.Kill()
		wantAway(tr)
		nats.Start(t)
	})
}

// TestKafkaTopicMadeAnew: records that go with their topic are lost, and nothing before and after.
func TestKafkaTopicMadeAnew(t *testing.T) {
	b := shared.Kafka(t)
	b.CreateTopic(t, topic, 6)
	nodes := startNodes(t, 2, existing(b.Addr))
	losses(t, newTraffic(t, nodes, 3, 5, 30), "made again", "stompgw_bus_gaps_total", func(*traffic) {
		b.DeleteTopic(t, topic)
		for _, n := range nodes {
			n.awaitReady(t, false)
		}
		b.CreateTopic(t, topic, 6)
	})
}

// losses has a fault strike, again and again, that may lose messages, and wants nothing doubled or
// out of order, and each node to tell of each time: with a line of its log, and with a figure that grows.
func losses(t *testing.T, tr *traffic, line, figure string, fault func(*traffic)) {
	t.Helper()
	for i := range rounds(t) {
		lines, figures := tr.told(line, figure)
		o := strike(tr, func() { fault(tr) })
		t.Logf("round %d: %s", i+1, o)
		if o.doubled+o.disorder > 0 {
			t.Errorf("round %d: %s; want nothing doubled or out of order", i+1, o)
		}
		moreLines, moreFigures := tr.told(line, figure)
		for n := range tr.nodes {
			if moreLines[n] == lines[n] || moreFigures[n] <= figures[n] {
				t.Errorf("round %d: node %d has logged %q %d times (before: %d), and %s is %v (before: %v); want more",
					i+1, n, line, moreLines[n], lines[n], figure, moreFigures[n], figures[n])
			}
		}
	}
}

// told returns how often each node has logged a text, and a figure of each.
func (tr *traffic) told(text, figure string) (lines []int, figures []float64) {
	tr.t.Helper()
	for _, n := range tr.nodes {
		lines = append(lines, strings.Count(n.Output(), text))
		figures = append(figures, n.figure(tr.t, figure))
	}
	return lines, figures
}

// figure returns one of /metrics that has no labels.
func (n *node) figure(t testing.TB, name string) float64 {
	t.Helper()
	_, text := n.get(t.Context(), "/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("/metrics has no %s:\n%s", name, text)
	return 0
}
