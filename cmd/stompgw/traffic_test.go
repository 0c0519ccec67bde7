package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/bustest"
	stompclient "github.com/stompgw/stompgw/cmd/internal/client"
)

// errorChannel is where refusals go.
const errorChannel = "/session/queue/request-error"

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
		hangUp(p.Client)
	}
	for _, s := range tr.subscribers {
		hangUp(s.Client)
	}
}

// dial opens a session that the test's end closes.
func (tr *traffic) dial(n *node, o stompclient.Options) *stompclient.Client {
	tr.t.Helper()
	o.URL, o.Timeout, o.HeartBeat = "tcp://"+n.Addr, patience, -1
	c, err := stompclient.Dial(tr.t.Context(), o)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { hangUp(c) })
	return c
}

// hangUp does not wait for a node to say that the session has ended.
func hangUp(c *stompclient.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Close(ctx)
}

// subscriber is a client that keeps book of what it receives of each stream to one destination.
type subscriber struct {
	*stompclient.Client
	destination string

	mu      sync.Mutex
	streams map[int]*arrivals // by the stream's id; see of
	latest  time.Time         // of the last arrival
	silence time.Duration     // the longest between two
	fault   error             // the connection's end, or what made no sense
}

// join adds a subscriber, and returns when its subscription is live. It has a right to all that streams
// begin from then on.
func (tr *traffic) join(n *node, destination string) {
	tr.t.Helper()
	s := &subscriber{Client: tr.dial(n, stompclient.Options{}), destination: destination, streams: map[int]*arrivals{}}
	tr.subscribers = append(tr.subscribers, s)
	go s.receive(tr.run)
	if err := s.Subscribe(tr.t.Context(), destination); err != nil {
		tr.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stream := range tr.streams {
		s.of(stream.id).from = stream.begun()
	}
}

// receive books messages until the connection ends.
func (s *subscriber) receive(run string) {
	for {
		m, err := s.Next(context.Background())
		var id, n int
		if err == nil {
			_, err = fmt.Sscanf(string(m.Body), run+" %d %d", &id, &n)
		}
		if err == nil && m.Destination != s.destination {
			err = fmt.Errorf("a message to %s", m.Destination)
		}
		s.mu.Lock()
		if s.fault = err; err == nil {
			if !s.latest.IsZero() {
				s.silence = max(s.silence, m.Received.Sub(s.latest))
			}
			s.latest = m.Received
			s.of(id).add(n)
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// of returns what has come of a stream. To the messages of one that began after the subscription
// the subscriber has a right from the first on.
func (s *subscriber) of(id int) *arrivals {
	if s.streams[id] == nil {
		s.streams[id] = &arrivals{seen: map[int]int{}}
	}
	return s.streams[id]
}

// publisher is a client that sends numbered messages to several destinations by turns, and never again what was
// refused.
type publisher struct {
	*stompclient.Client
	run     string
	streams []*stream
	waiting chan struct{} // holds one for each SEND that waits for its answer

	mu    sync.Mutex
	codes map[int]int // SENDs that were refused, by code
	fault error       // the connection's end
}

// newPublisher returns a publisher that is not one of tr.publishers, and has streams of its own. At most window
// of its SENDs wait for their answers.
func (tr *traffic) newPublisher(n *node, window int) *publisher {
	tr.t.Helper()
	first := len(tr.streams)
	for i := range tr.destinations {
		tr.streams = append(tr.streams, &stream{id: len(tr.streams), destination: destination(i), acked: map[int]bool{}})
	}
	c := tr.dial(n, stompclient.Options{Errors: errorChannel})
	return &publisher{Client: c, run: tr.run, streams: tr.streams[first:], waiting: make(chan struct{}, window), codes: map[int]int{}}
}

// publish sends count messages, or those until ctx ends if that is earlier, with a pause between
// two of them, and returns when all are answered.
func (p *publisher) publish(ctx context.Context, count int, pace time.Duration) error {
	for i := 0; i < count && ctx.Err() == nil; i++ {
		s := p.streams[i%len(p.streams)]
		p.waiting <- struct{}{}
		n := s.next()
		if err := p.Start(context.Background(), s.destination, nil, s.body(p.run, n), func(err error) { p.answer(s, n, err) }); err != nil {
			<-p.waiting
			return fmt.Errorf("a publisher lost its connection: %w", err)
		}
		select {
		case <-time.After(pace):
		case <-ctx.Done():
		}
	}
	for range cap(p.waiting) {
		p.waiting <- struct{}{}
	}
	for range cap(p.waiting) {
		<-p.waiting
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

func (p *publisher) answer(s *stream, n int, err error) {
	defer func() { <-p.waiting }()
	refusal, refused := errors.AsType[*stompclient.Refusal](err)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		s.ack(n)
	case refused:
		p.codes[refusal.Code]++
	default:
		p.fault = err
	}
}

// refused returns how many of its SENDs were, by code.
func (p *publisher) refused() map[int]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.codes)
}

// forever is how many messages a publisher sends that something else stops.
const forever = math.MaxInt

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
		tr.end()
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
	fewest := math.MaxInt
	for _, p := range tr.publishers {
		for _, s := range p.streams {
			s.mu.Lock()
			fewest = min(fewest, len(s.acked))
			s.mu.Unlock()
		}
	}
	return fewest
}

// awaitAcked returns when count more messages of each stream have a RECEIPT.
func (tr *traffic) awaitAcked(count int) {
	tr.t.Helper()
	want := tr.acked() + count
	bustest.Eventually(tr.t, fmt.Sprintf("%d RECEIPTs in each stream", want), func() bool { return tr.acked() >= want })
}
