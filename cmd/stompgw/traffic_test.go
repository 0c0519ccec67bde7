package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"
)

// traffic is publishers and subscribers on several nodes.
type traffic struct {
	t            *testing.T
	nodes        []*node
	destinations int
	run          string
	streams      []*stream
	publishers   []*publisher
	subscribers  []*subscriber
	probes       []<-chan error // each tells once how a probe ended
}

// destination is one of those that every publisher sends to by turns.
func destination(i int) string { return fmt.Sprintf("/topic/room-%d", i) }

// newTraffic spreads publishers over the nodes, and subscribers over the nodes and destinations. A
// subscriber has one destination.
func newTraffic(t *testing.T, nodes []*node, destinations, publishers, subscribers int) *traffic {
	t.Helper()
	tr := &traffic{t: t, nodes: nodes, destinations: destinations, run: strconv.FormatInt(time.Now().UnixNano(), 36)}
	for i := range subscribers {
		tr.join(nodes[i%len(nodes)], destination(i/len(nodes)%destinations))
	}
	for i := range publishers {
		tr.publishers = append(tr.publishers, tr.newPublisher(nodes[i%len(nodes)], 20))
	}
	return tr
}

// end closes all connections, so that no other traffic meets them.
func (tr *traffic) end() {
	for _, p := range tr.publishers {
		p.conn.Close()
	}
	for _, s := range tr.subscribers {
		s.conn.Close()
	}
}

// join adds a subscriber, and returns when its subscription is live.
func (tr *traffic) join(n *node, destination string) {
	tr.t.Helper()
	tr.subscribers = append(tr.subscribers, newSubscriber(tr.t, n.Addr, tr.run, destination, tr.streams))
}

// newPublisher returns a publisher that is not one of tr.publishers, and has streams of its own.
func (tr *traffic) newPublisher(n *node, window int) *publisher {
	tr.t.Helper()
	first := len(tr.streams)
	for i := range tr.destinations {
		tr.streams = append(tr.streams, newStream(len(tr.streams), destination(i)))
	}
	return newPublisher(tr.t, n.Addr, tr.run, tr.streams[first:], window)
}

// forever is how many messages a publisher sends that something else stops.
const forever = 1 << 40

// publish has every publisher send count messages, and returns when each is answered.
func (tr *traffic) publish(count int) {
	tr.t.Helper()
	tr.start(context.Background(), count, 0)()
}

// flow has every publisher send at a pace of one message in so long, until the returned function is
// called, which returns when each message is answered.
func (tr *traffic) flow(pace time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	wait := tr.start(ctx, forever, pace)
	stop = sync.OnceFunc(func() {
		tr.t.Helper()
		cancel()
		wait()
	})
	tr.t.Cleanup(func() { // of a test that failed
		for _, p := range tr.publishers {
			p.conn.Close()
		}
		stop()
	})
	return stop
}

// start has every publisher send. wait returns when they have ended.
func (tr *traffic) start(ctx context.Context, count int, pace time.Duration) (wait func()) {
	ended := make(chan error, len(tr.publishers))
	for _, p := range tr.publishers {
		go func() { ended <- p.publish(ctx, count, pace) }()
	}
	return func() {
		tr.t.Helper()
		for range tr.publishers {
			if err := <-ended; err != nil {
				tr.t.Error(err)
			}
		}
	}
}

// probe has one more publisher send, which does not wait for answers, until stop is called.
func (tr *traffic) probe(n *node) (p *publisher, stop func()) {
	tr.t.Helper()
	const atMost = 1000
	p = tr.newPublisher(n, atMost)
	ctx, cancel := context.WithCancel(tr.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.publish(ctx, atMost, pace) }()
	tr.probes = append(tr.probes, ended)
	return p, cancel
}

// awaitProbes returns when all that probes have sent is answered.
func (tr *traffic) awaitProbes() {
	tr.t.Helper()
	for _, ended := range tr.probes {
		if err := <-ended; err != nil {
			tr.t.Error(err)
		}
	}
	tr.probes = nil
}

// acked returns how many messages of tr.publishers have a RECEIPT, in the stream that has the fewest.
func (tr *traffic) acked() int {
	fewest := -1
	for _, p := range tr.publishers {
		for _, s := range p.streams {
			s.mu.Lock()
			if n := len(s.acked); fewest < 0 || n < fewest {
				fewest = n
			}
			s.mu.Unlock()
		}
	}
	return fewest
}

// awaitAcked returns when count more messages of each stream have a RECEIPT.
func (tr *traffic) awaitAcked(count int) {
	tr.t.Helper()
	want := tr.acked() + count
	eventually(tr.t, fmt.Sprintf("%d RECEIPTs in each stream", want), func() bool { return tr.acked() >= want })
}
