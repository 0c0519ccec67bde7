// Package membus carries envelopes between the nodes of one process: the bus for tests, and the
// shortest example of what a bus must do.
package membus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/stompgw/stompgw/bus"
)

const (
	queueSize = 1024 // envelopes that Publish took and the cluster has not seen
	inboxSize = 256  // envelopes that wait for one node's deliver
)

// Cluster stands for the broker. Its nodes see all envelopes in one order.
type Cluster struct {
	// mu is held while an envelope goes into every inbox, which makes the order one for all
	// nodes. A full inbox therefore stops all publishers: backpressure instead of loss.
	mu      sync.Mutex
	inboxes map[*inbox]struct{}
	log     log
}

// inbox is what one Receive has yet to deliver.
type inbox struct {
	envelopes chan bus.Envelope
	gone      <-chan struct{} // closed when its Receive ends
}

// NewCluster returns a cluster without nodes.
func NewCluster() *Cluster {
	return &Cluster{inboxes: make(map[*inbox]struct{}), log: log{id: rand.Uint64()}}
}

// Bus returns the bus of one more node. Its name only appears in error texts: like Kafka, the cluster
// brings every envelope to every node.
func (c *Cluster) Bus(node string) *Bus {
	ctx, cancel := context.WithCancel(context.Background())
	b := &Bus{
		cluster: c,
		node:    node,
		ctx:     ctx,
		cancel:  cancel,
		queue:   make(chan item, queueSize),
		pumped:  make(chan struct{}),
	}
	go b.pump()
	return b
}

// send puts e into every inbox, in turn with other senders, until ctx ends.
func (c *Cluster) send(ctx context.Context, e bus.Envelope) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Mark = c.log.append(&e)
	for in := range c.inboxes {
		select {
		case in.envelopes <- e:
		case <-in.gone:
		case <-ctx.Done():
			return bus.ErrUnknown
		}
	}
	return nil
}

// item is an accepted envelope.
type item struct {
	envelope bus.Envelope
	done     func(error)
}

// Bus is one node's end. It holds 1,024 envelopes, then returns bus.ErrFull.
type Bus struct {
	// Set by Cluster.Bus, never changed.
	cluster *Cluster
	node    string
	ctx     context.Context // ends when Close gives up waiting
	cancel  context.CancelFunc
	queue   chan item     // closed by Close
	pumped  chan struct{} // closed when pump has ended

	mu     sync.Mutex
	closed bool
	read   reading

	telling sync.WaitGroup // what Recall has to say

	cut int // envelopes that Close gave up; pump writes it, others read it after pumped
}

// Publish implements bus.Bus.
func (b *Bus) Publish(e bus.Envelope, done func(error)) error {
	b.mu.Lock() // against Close closing the queue
	defer b.mu.Unlock()
	if b.closed {
		return bus.ErrClosed
	}
	select {
	case b.queue <- item{e, done}:
		return nil
	default:
		return bus.ErrFull
	}
}

// pump moves what Publish queued to the cluster. It ends when the queue is closed and empty.
func (b *Bus) pump() {
	defer close(b.pumped)
	for it := range b.queue {
		err := b.cluster.send(b.ctx, it.envelope)
		if err != nil {
			b.cut++
		}
		it.done(err)
	}
}

// Receive implements bus.Bus. It runs ready and deliver on the goroutine of its caller.
func (b *Bus) Receive(ctx context.Context, ready func(), deliver func(bus.Envelope)) error {
	in := &inbox{envelopes: make(chan bus.Envelope, inboxSize), gone: ctx.Done()}
	var past []bus.Envelope
	b.cluster.change(func(inboxes map[*inbox]struct{}) {
		inboxes[in] = struct{}{}
		past = b.past()
	})
	defer b.cluster.change(func(inboxes map[*inbox]struct{}) { delete(inboxes, in) })
	for _, e := range past {
		deliver(e)
	}
	ready()
	for {
		select {
		case e := <-in.envelopes:
			deliver(e)
			b.came(e.Mark)
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *Cluster) change(f func(inboxes map[*inbox]struct{})) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.inboxes)
}

// Healthy implements bus.Bus: memory always answers.
func (b *Bus) Healthy() error { return nil }

// Close implements bus.Bus. Its error says how much ctx cut off.
func (b *Bus) Close(ctx context.Context) error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.queue)
	}
	b.mu.Unlock()
	defer context.AfterFunc(ctx, b.cancel)()
	<-b.pumped
	b.telling.Wait()
	if b.cut > 0 && ctx.Err() != nil {
		return fmt.Errorf("membus: close %s: %d envelopes were not sent in time: %w", b.node, b.cut, ctx.Err())
	}
	return nil
}
