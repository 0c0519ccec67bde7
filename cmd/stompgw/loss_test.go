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
	t.Parallel()
	nats := servers.NATS(t, 0)
	nodes := startNodes(t, 2, natsAt(nats.Addr))
	losses(t, nodes, "bus disconnected", "stompgw_bus_reconnects_total", func(tr *traffic) {
		nats.Kill()
		wantAway(tr)
		nats.Start(t)
	})
}

// TestKafkaTopicMadeAnew: records that go with their topic are lost, and nothing before and after.
func TestKafkaTopicMadeAnew(t *testing.T) {
	t.Parallel()
	b := shared.Kafka(t)
	b.CreateTopic(t, topic, 6)
	nodes := startNodes(t, 2, existing(b.Addr))
	losses(t, nodes, "recreated", "stompgw_bus_gaps_total", func(*traffic) {
		b.DeleteTopic(t, topic)
		for _, n := range nodes {
			n.awaitReady(t, false)
		}
		b.CreateTopic(t, topic, 6)
	})
}

// losses has a fault strike, again and again, that may lose messages, and wants nothing doubled or
// out of order, and each node to tell of each time: with a line of its log, and with a figure that grows.
func losses(t *testing.T, nodes []*node, line, figure string, fault func(*traffic)) {
	t.Helper()
	var lines []int
	var figures []float64
	strike(t, nodes, func(tr *traffic) {
		lines, figures = told(t, nodes, line, figure)
		fault(tr)
	}, func(tr *traffic) {
		if o := tr.outcome(nil); o.doubled+o.disorder > 0 {
			t.Errorf("%s; want nothing doubled or out of order", o)
		}
		moreLines, moreFigures := told(t, nodes, line, figure)
		for n := range nodes {
			if moreLines[n] == lines[n] || moreFigures[n] <= figures[n] {
				t.Errorf("node %d has logged %q %d times (before: %d), and %s is %v (before: %v); want more",
					n, line, moreLines[n], lines[n], figure, moreFigures[n], figures[n])
			}
		}
	})
}

// told returns how often each node has logged a text, and a figure of each.
func told(t *testing.T, nodes []*node, text, figure string) (lines []int, figures []float64) {
	t.Helper()
	for _, n := range nodes {
		lines = append(lines, strings.Count(n.Output(), text))
		figures = append(figures, n.figure(t, figure))
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
