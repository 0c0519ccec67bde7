package kafkabus

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// work is a cluster, and what a test has at work with it.
type work struct {
	*cluster
	end func() // ends all of it, and waits; the test's end does it too

	ctx   context.Context
	group sync.WaitGroup
}

// newWork returns one before anything of it runs. wrap, if set, changes its connections.
func newWork(t testing.TB, cfg Config, wrap func(net.Conn) net.Conn, topics ...string) *work {
	t.Helper()
	c, err := newCluster(cfg.withDefaults(), topics)
	must(t, err)
	if dial := c.conns.dialer; wrap != nil {
		c.conns.dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return wrap(nc), nil
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &work{cluster: c, ctx: ctx}
	w.end = sync.OnceFunc(func() {
		cancel()
		w.group.Wait()
		c.conns.close()
	})
	t.Cleanup(w.end)
	return w
}

// client returns kafka-go's, until the test ends.
func client(t testing.TB, addrs ...string) *kafka.Client {
	transport := &kafka.Transport{MetadataTTL: 200 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addrs...), Transport: transport}
}

// start runs what it is given, and the cluster beside it, until the end.
func (w *work) start(run ...func(context.Context)) {
	for _, f := range append(run, w.cluster.run) {
		w.group.Go(func() { f(w.ctx) })
	}
}

// fake starts brokers with a topic for a test. What controls them has to use a copy of its Cluster,
// which the end of the test sets to nil.
func fake(t *testing.T, brokers int, topic string, partitions int32) *servers.FakeCluster {
	t.Helper()
	f := servers.Fake(t, brokers)
	must(t, f.CreateTopic(topic, partitions, nil))
	return f
}

// poll waits until something is true, and fails the test shortly before its time is over. state, if
// set, tells how things are then.
func poll(t *testing.T, what string, holds func() bool, state ...func() any) {
	t.Helper()
	limit := untilDeadline(t).Done()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-limit:
			var now []any
			for _, s := range state {
				now = append(now, s())
			}
			t.Fatalf("waited in vain %s; %v", what, now)
		}
	}
}

// untilDeadline returns a context that ends shortly before the test binary would be stopped.
func untilDeadline(t *testing.T) context.Context {
	deadline, ok := t.Deadline()
	if !ok {
		return t.Context()
	}
	ctx, cancel := context.WithDeadline(t.Context(), deadline.Add(-5*time.Second))
	t.Cleanup(cancel)
	return ctx
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// must ends a test that can't go on with an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
