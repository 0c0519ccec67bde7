package natsbus

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// lanes is the number of ways that subscriptions share. A subject stays in one of them, which
// keeps its order; one goroutine delivers what comes through each.
const lanes = 4

// lane is where received messages wait for deliver, bounded in count and in bytes. nats.go fills a
// channel and knows no bytes, so one goroutine moves what is there to a second one and counts. It
// never waits for deliver: the first channel holds only what came since that goroutine last ran.
type lane struct {
	arrived  chan *nats.Msg // nats.go drops, and counts, what finds it full
	waiting  chan *nats.Msg // for deliver
	maxBytes int64
	bytes    atomic.Int64  // of what is in waiting
	dropped  atomic.Uint64 // found waiting full

	// Of its trails.
	mark      bus.Mark // of what is being delivered; the delivering goroutine's, as is the next
	heldBytes int64    // of messages that wait for others to be fetched

	wake  chan struct{} // whoever does tasks; has room for one signal
	mu    sync.Mutex
	tasks []func(deliver func(bus.Envelope)) // to be done between two messages, by the goroutine that delivers them
}

// post has the delivering goroutine do task, after what has come through the lane before. It never blocks.
func (l *lane) post(task func(deliver func(bus.Envelope))) {
	l.mu.Lock()
	l.tasks = append(l.tasks, task)
	l.mu.Unlock()
	signal(l.wake)
}

func (l *lane) takeTasks() []func(deliver func(bus.Envelope)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tasks := l.tasks
	l.tasks = nil
	return tasks
}

func newLane(count, bytes int) *lane {
	return &lane{
		arrived:  make(chan *nats.Msg, count),
		waiting:  make(chan *nats.Msg, count),
		maxBytes: int64(bytes),
		wake:     make(chan struct{}, 1),
	}
}

// run moves what arrives until ctx ends, and tells whose messages it has dropped.
func (l *lane) run(ctx context.Context, tell func(*nats.Subscription)) {
	for {
		select {
		case msg := <-l.arrived:
			if !l.put(msg) {
				l.dropped.Add(1)
				tell(msg.Sub)
			}
		case <-ctx.Done():
			return
		}
	}
}

// put lets msg wait, unless there is no room. A single one may be larger than the bound. Only run
// calls it, so that bytes does not grow meanwhile.
func (l *lane) put(msg *nats.Msg) bool {
	n := weight(msg)
	if held := l.bytes.Load(); held > 0 && held+n > l.maxBytes {
		return false
	}
	l.bytes.Add(n)
	select {
	case l.waiting <- msg:
		return true
	default:
		l.bytes.Add(-n)
		return false
	}
}

// took makes the room of msg, which came out of waiting.
func (l *lane) took(msg *nats.Msg) { l.bytes.Add(-weight(msg)) }

// weight returns about the bytes of memory that msg takes: header entries of a few bytes on the
// wire become strings in a map.
func weight(msg *nats.Msg) int64 {
	const perMessage, perName = 256, 128
	return int64(msg.Size() + perMessage + perName*len(msg.Header))
}
