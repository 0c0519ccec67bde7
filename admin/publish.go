package admin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/policy"
)

var (
	// ErrBody reports a body that is longer than a Publisher takes.
	ErrBody = errors.New("the body is too long")

	// ErrUnsent reports a message that was not given to the bus because no time was left.
	ErrUnsent = errors.New("not published: the time was over before")
)

// Published is what became of a message.
type Published struct {
	Envelopes int // that the message makes: one for all subscribers, or one for each session
	Confirmed int // of these, those that the broker has confirmed

	// Err is nil when the broker has all of them, else the first error: what Message.Check and Cluster.Recipients
	// return, ErrBody, ErrUnsent, and the errors of a bus: after bus.ErrFull, bus.ErrDown, bus.ErrTooLarge and
	// bus.ErrContent the broker does not have it, and after bus.ErrUnknown it may.
	Err error
}

// Publisher publishes messages of operators and backends. Its methods may be called from any goroutine.
type Publisher struct {
	bus     bus.Bus
	cluster *Cluster
	rules   func() *policy.Catalogue
	limit   int
}

// NewPublisher returns a Publisher over b, which finds sessions in cluster. rules returns the current rules; a body may
// have limit bytes.
func NewPublisher(b bus.Bus, cluster *Cluster, rules func() *policy.Catalogue, limit int) *Publisher {
	return &Publisher{bus: b, cluster: cluster, rules: rules, limit: limit}
}

// Publish publishes a message, and returns when the broker has answered for all of it, or ctx ends. If the bus has no
// room, the error is bus.ErrFull.
func (p *Publisher) Publish(ctx context.Context, m Message) Published {
	return p.begin(ctx, newBatch(p.bus, false), m).await(ctx)
}

// PublishAll publishes messages in their order, with several in flight at a time, and yields what became of each, in the same
// order. It goes on after one that can't be published, and waits while the bus has no room. Those that ctx leaves no time
// for yield ErrUnsent. The caller bounds how many there are: each takes some 200 bytes until all have been yielded.
func (p *Publisher) PublishAll(ctx context.Context, messages iter.Seq[Message]) iter.Seq[Published] {
	return func(yield func(Published) bool) {
		b := newBatch(p.bus, true)
		var open []*sending // the first one to be told comes first
		for m := range messages {
			open = append(open, p.begin(ctx, b, m))
			for len(open) > 0 && open[0].isSettled() {
				if !yield(open[0].await(ctx)) {
					return
				}
				open = open[1:]
			}
		}
		for _, s := range open {
			if !yield(s.await(ctx)) {
				return
			}
		}
	}
}

// begin gives a message to the bus.
func (p *Publisher) begin(ctx context.Context, b *batch, m Message) *sending {
	s := &sending{open: 1, settled: make(chan struct{})} // the 1 is this function's
	principals, err := p.prepare(ctx, &m)
	s.told.Envelopes = len(principals)
	for _, principal := range principals {
		e := bus.Envelope{Destination: m.Destination, Principal: principal, Headers: m.Headers, Body: m.Body}
		if err = b.send(ctx, s, e); err != nil {
			break // the others would fare alike
		}
	}
	s.note(err, 0)
	return s
}

// prepare checks a message, and returns whom it is for.
func (p *Publisher) prepare(ctx context.Context, m *Message) ([]string, error) {
	if len(m.Body) > p.limit {
		return nil, fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrBody, len(m.Body), p.limit)
	}
	if err := m.Check(p.rules()); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, unsent(ctx)
	}
	return p.cluster.Recipients(ctx, m.To)
}

func unsent(ctx context.Context) error { return fmt.Errorf("%w: %w", ErrUnsent, context.Cause(ctx)) }

// sending is a message on its way.
type sending struct {
	mu      sync.Mutex
	told    Published
	open    int           // envelopes without an answer
	settled chan struct{} // closed when there is none
}

// note takes down what became of an envelope, of which n have been confirmed.
func (s *sending) note(err error, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told.Confirmed += n
	if s.told.Err == nil {
		s.told.Err = err
	}
	if s.open--; s.open == 0 {
		close(s.settled)
	}
}

// answer takes down what the bus says of an envelope.
func (s *sending) answer(err error) {
	if err != nil {
		s.note(err, 0)
		return
	}
	s.note(nil, 1)
}

func (s *sending) isSettled() bool {
	select {
	case <-s.settled:
		return true
	default:
		return false
	}
}

// await returns what became of the message by the time that ctx ends.
func (s *sending) await(ctx context.Context) Published {
	select {
	case <-s.settled:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	if told.Err == nil && s.open > 0 {
		told.Err = fmt.Errorf("%w: %w", bus.ErrUnknown, context.Cause(ctx))
	}
	return told
}

// Bounds of what one call has on its way, so that clients of the node find room in its bus.
const (
	maxWindow      = 256
	maxWindowBytes = 16 << 20
)

// fullPause is how long a batch waits for room in a bus that others have filled.
const fullPause = 5 * time.Millisecond

// batch is what one call publishes.
type batch struct {
	bus    bus.Bus
	waits  bool                // for a bus that others have filled
	window *semaphore.Weighted // bytes, see cost
	on     atomic.Int32        // envelopes on their way
}

func newBatch(b bus.Bus, waits bool) *batch {
	return &batch{bus: b, waits: waits, window: semaphore.NewWeighted(maxWindowBytes)}
}

// cost is what an envelope takes of the window: its body, which goes alone where it is larger than all of that, and at least
// so much that there are maxWindow envelopes at most.
func cost(e bus.Envelope) int64 {
	return int64(min(max(len(e.Body), maxWindowBytes/maxWindow), maxWindowBytes))
}

// send gives the bus an envelope when there is room. A bus that is full gets it again, for as long as answers to others
// of the batch may make room.
func (b *batch) send(ctx context.Context, s *sending, e bus.Envelope) error {
	s.mu.Lock()
	s.open++
	s.mu.Unlock()
	for size := cost(e); ; {
		if b.window.Acquire(ctx, size) != nil {
			s.note(nil, 0)
			return unsent(ctx)
		}
		others := b.on.Add(1) - 1
		err := b.bus.Publish(e, func(err error) {
			b.leave(size)
			s.answer(err)
		})
		if err == nil {
			return nil
		}
		b.leave(size)
		if !errors.Is(err, bus.ErrFull) || others == 0 && !b.waits {
			s.note(nil, 0)
			return err
		}
		select {
		case <-time.After(fullPause):
		case <-ctx.Done():
		}
	}
}

func (b *batch) leave(size int64) {
	b.on.Add(-1)
	b.window.Release(size)
}
