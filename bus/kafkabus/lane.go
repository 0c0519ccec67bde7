package kafkabus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

const maxBatch = 1 << 20 // bytes of one, unless a single record is larger

// noPartition is the lane of what waits until the partitions are known.
const noPartition = -1

// lane brings the envelopes of one partition to its leader, whichever broker that is: one batch at
// a time, again and again until the leader has taken it, so that the order of accept is kept.
type lane struct {
	// Set by newLane, never changed.
	p         *producer
	partition int
	wake      chan struct{} // room for one signal

	// Any goroutine; it guards itself.
	pulse pulse // of the leader

	share int // bytes of items not settled; guarded by producer.mu

	mu           sync.Mutex
	queue        []item // not taken yet
	count, bytes int    // of items not settled

	// Owned by run.
	seq  uint64 // of the last record
	told bool   // the log has been told of the present silence
}

func newLane(p *producer, partition, share int) *lane {
	return &lane{p: p, partition: partition, wake: make(chan struct{}, 1), share: share}
}

// accept queues it, or says bus.ErrDown or bus.ErrFull. A single item may be larger than the share.
// The caller holds producer.mu for reading.
func (l *lane) accept(it item) error {
	if l.silence() >= l.p.cfg.Silence {
		return bus.ErrDown
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count >= l.p.cfg.Queue || l.count > 0 && l.bytes+it.size > l.share {
		return bus.ErrFull
	}
	l.p.unsettled.Add(1)
	l.push(it)
	return nil
}

// silence returns for how long the leader has owed an answer, to this lane or to the tail.
func (l *lane) silence() time.Duration {
	silence, _ := l.pulse.silence()
	if l.p.silence != nil && l.partition != noPartition {
		silence = max(silence, l.p.silence(l.partition))
	}
	return silence
}

// push queues what is unsettled already. The caller holds mu.
func (l *lane) push(it item) {
	l.count++
	l.bytes += it.size
	l.queue = append(l.queue, it)
	if len(l.queue) == 1 {
		signal(l.wake)
	}
}

// signal has whoever waits for c go on, now or when it next waits. c has room for one signal.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is under way already
	}
}

// empty takes everything out of the queue, as if it had never been accepted here.
func (l *lane) empty() []item {
	l.mu.Lock()
	defer l.mu.Unlock()
	items := l.cut(len(l.queue))
	l.release(items)
	return items
}

// release makes room. The caller holds mu.
func (l *lane) release(items []item) {
	l.count -= len(items)
	for i := range items {
		l.bytes -= items[i].size
	}
}

// run writes what is accepted until ctx ends. What is left in the queue then stays there.
func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		if pc := l.take(); pc != nil {
			l.write(ctx, pc)
			continue
		}
		l.pulse.answered() // nothing is owed any more
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
}

// take returns what to write next, or nil when nothing waits. It gives up what has waited too long.
func (l *lane) take() *parcel {
	l.expire(time.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.fitting()
	if n == 0 {
		return nil
	}
	pc := &parcel{items: l.cut(n), first: l.seq + 1}
	l.seq += uint64(n)
	return pc
}

// fitting returns how many of the queue make a batch: at least one if there are any.
func (l *lane) fitting() int {
	limit, size := l.p.topic.batchLimit(), wire.BatchHead
	for i := range l.queue {
		if size += l.queue[i].size; size > limit {
			return max(i, 1)
		}
	}
	return len(l.queue)
}

// cut takes the first n out of the queue, with the memory that they are in, which goes when they are settled.
// The caller holds mu.
func (l *lane) cut(n int) []item {
	items := l.queue[:n:n]
	l.queue = l.queue[n:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return items
}

// expire gives up what has waited behind others until its deadline, and was not sent.
func (l *lane) expire(now time.Time) {
	l.mu.Lock()
	n := slices.IndexFunc(l.queue, func(it item) bool { return !now.After(it.deadline) })
	if n < 0 {
		n = len(l.queue)
	}
	late := l.cut(n)
	l.mu.Unlock()
	if len(late) > 0 {
		_, cause := l.pulse.silence()
		l.settle(late, l.givenUp(bus.ErrDown, cause))
	}
}

// settle makes room for items and then tells each what became of it, so that whoever hears it finds
// the room.
func (l *lane) settle(items []item, err error) {
	l.mu.Lock()
	l.release(items)
	l.mu.Unlock()
	l.p.tell(items, err)
}

// healthy returns an error if the leader has owed an answer for too long. leader is its address.
func (l *lane) healthy(leader string) error {
	silence, cause := l.pulse.silence()
	if silence < l.p.cfg.Silence {
		return nil
	}
	return fmt.Errorf("kafkabus: %s has taken nothing for partition %d of topic %s for %s: %w",
		leader, l.partition, l.p.cfg.Topic, silence.Round(time.Second/10), cmp.Or(cause, errors.New("no answer")))
}
