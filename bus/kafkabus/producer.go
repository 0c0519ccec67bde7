package kafkabus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/seldom"
)

// expiryInterval is how often what waits for the first view is looked at.
const expiryInterval = 250 * time.Millisecond

// producer publishes to Config.Topic, or to one that a backend reads. It hands each envelope to the lane of its partition; before
// the partitions are known, envelopes wait in a lane of their own. Its methods may be called from
// any goroutine.
type producer struct {
	// Set by newProducer, never changed.
	cluster *cluster
	topic   *topic
	cfg     Config
	node    string
	log     *slog.Logger
	silence func(partition int) time.Duration // of its leader, as the tail knows it; nil for unknown

	unsettled atomic.Int64  // envelopes accepted and not settled
	settling  sync.Once     // closes idle
	idle      chan struct{} // closed when closed and nothing is unsettled
	closed    atomic.Bool   // written under mu, so that nothing is accepted afterwards
	logged    seldom.Line

	mu         sync.RWMutex
	waiting    *lane   // for the first view; nobody runs it
	lanes      []*lane // by partition, of all that there have ever been: their numbers go on
	partitions []int   // those of now, 0 to n-1; nil before the first view
}

func newProducer(c *cluster, cfg Config, node string, log *slog.Logger) *producer {
	p := &producer{cluster: c, topic: newTopic(c, cfg, log), cfg: cfg, node: node, log: log, idle: make(chan struct{})}
	p.waiting = newLane(p, noPartition, cfg.Bytes)
	p.waiting.pulse.asked()
	return p
}

// publish implements Bus.Publish.
func (p *producer) publish(e bus.Envelope, done func(error)) error {
	if err := p.cfg.Envelope.Check(&e); err != nil {
		return err
	}
	size := p.cfg.Envelope.Size(&e)
	if err := p.topic.check(size); err != nil {
		return err
	}
	if err := p.topic.lacks(); err != nil {
		return fmt.Errorf("%w: %w", bus.ErrDown, err)
	}
	it := item{envelope: e, done: done, size: size, deadline: time.Now().Add(p.cfg.Deadline)}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed.Load() {
		return bus.ErrClosed
	}
	return p.lane(&it).accept(it)
}

// lane returns where it belongs. The caller holds mu.
func (p *producer) lane(it *item) *lane {
	if len(p.partitions) == 0 {
		return p.waiting
	}
	return p.lanes[partitionOf(p.cfg.Envelope.Key(&it.envelope), p.partitions)]
}

// home returns the partition of the broadcasts of a destination, -1 before the partitions are known.
func (p *producer) home(destination string) int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if len(p.partitions) == 0 {
		return -1
	}
	return partitionOf(p.cfg.Envelope.Key(&bus.Envelope{Destination: destination}), p.partitions)
}

// partitionOf returns the one of partitions that key has, as with Java's producer.
func partitionOf(key []byte, partitions []int) int {
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, partitions...)
}

// run keeps the goroutines of the producer until ctx ends, and then settles what is left.
func (p *producer) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { p.topic.run(ctx) })
	p.follow(ctx, func(l *lane) { wg.Go(func() { l.run(ctx) }) })
	p.close()
	wg.Wait()
	for _, l := range append([]*lane{p.waiting}, p.lanes...) {
		p.tell(l.empty(), bus.ErrUnknown) // nobody will know
	}
}

// follow keeps the lanes those of the view until ctx ends. It has start run new ones.
func (p *producer) follow(ctx context.Context, start func(*lane)) {
	ticker := time.NewTicker(expiryInterval)
	defer ticker.Stop()
	for {
		v, changed := p.cluster.view()
		if v != nil {
			p.arrangeBy(v, start)
		}
		if len(p.partitions) > 0 { // nobody else writes them
			ticker.Stop()
		}
		select {
		case <-changed:
		case now := <-ticker.C:
			p.waiting.expire(now)
		case <-ctx.Done():
			return
		}
	}
}

// arrangeBy sees to it that the lanes are those of v. What waited to know whether a backend's topic is there hears that it is not.
func (p *producer) arrangeBy(v *view, start func(*lane)) {
	if t, asked := v.topics[p.cfg.Topic]; asked && t.err == nil {
		p.arrange(len(t.leaders), start)
		return
	}
	if err := p.topic.lacks(); err != nil {
		p.tell(p.waiting.empty(), fmt.Errorf("%w: %w", bus.ErrDown, err))
	}
}

// arrange sees to it that there are lanes for n partitions. What waits for the first view, or in
// the lane of a partition that is gone, moves to the lane where it belongs now; it may find itself
// behind younger envelopes there when partitions go. A gone lane keeps trying to write what it has begun to.
func (p *producer) arrange(n int, start func(*lane)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n == len(p.partitions) {
		return
	}
	for len(p.lanes) < n {
		l := newLane(p, len(p.lanes), 0)
		p.lanes = append(p.lanes, l)
		start(l)
	}
	p.partitions = make([]int, n)
	for i := range p.partitions {
		p.partitions[i] = i
		p.lanes[i].share = p.cfg.Bytes / n
	}
	p.move(p.waiting)
	for _, gone := range p.lanes[n:] {
		p.move(gone)
	}
}

// move takes what waits in l to the lanes where it belongs. The caller holds mu.
func (p *producer) move(l *lane) {
	for _, it := range l.empty() {
		to := p.lane(&it)
		to.mu.Lock()
		to.push(it)
		to.mu.Unlock()
	}
}

// tell tells items, which are in no lane any more, what became of them.
func (p *producer) tell(items []item, err error) {
	p.unsettled.Add(-int64(len(items)))
	p.checkIdle()
	for i := range items {
		items[i].done(err)
	}
}

func (p *producer) checkIdle() {
	if p.unsettled.Load() == 0 && p.closed.Load() {
		p.settling.Do(func() { close(p.idle) })
	}
}

// close refuses what comes from now on, and returns a channel that is closed when all is settled.
func (p *producer) close() <-chan struct{} {
	p.mu.Lock()
	p.closed.Store(true)
	p.mu.Unlock()
	p.checkIdle()
	return p.idle
}

func (p *producer) outstanding() int { return int(p.unsettled.Load()) }

// healthy returns an error if the leader of a partition has owed an answer for too long.
func (p *producer) healthy() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for i := range p.partitions {
		if err := p.lanes[i].healthy(p.cluster.host(p.topic.leader(i))); err != nil {
			return err
		}
	}
	return nil
}

// warn logs what l meets, at most once a second for all lanes.
func (p *producer) warn(l *lane, message string, err error) {
	if left, ok := p.logged.Pass(); ok {
		p.log.Warn(message, "topic", p.cfg.Topic, "partition", l.partition, "err", err, "left_out", left)
	}
}
