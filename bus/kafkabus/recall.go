package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
)

const (
	recallPatience = 5 * time.Second // for this node to read as far as a position
	mostRecalls    = 10_000          // that wait
	mostHeads      = 16              // positions of a Head
	mostAfter      = 64              // positions of a Wish
	suspectPause   = time.Second     // before a partition is looked up again for a position that it does not know

	// lookPause is how long those that wait are left alone between two looks at them. Nobody wakes them, so that what is read
	// has nothing to do for them.
	lookPause = 10 * time.Millisecond
)

// Why a wish can't be had whole.
var (
	errAfter     = fmt.Errorf("kafkabus: more than %d positions", mostAfter)
	errCrowd     = fmt.Errorf("kafkabus: %d others wait already for this node to read on: %w", mostRecalls, bus.ErrFull)
	errElsewhere = errors.New("kafkabus: the topic is another one now, or was removed")
	errRefuted   = errors.New("kafkabus: the log has lost its end since then, with a broker")
	errOld       = errors.New("kafkabus: this node has not read as far back")
	errUntold    = errors.New("kafkabus: this node has not read as far back in all partitions")
	errUnseen    = fmt.Errorf("kafkabus: not all partitions have been seen yet: %w", bus.ErrDown)
	errNameless  = errors.New("kafkabus: the brokers do not tell the identities of topics, which takes Kafka 3.0 or later")
)

// recaller answers Bus.Recall. Nothing is fetched for that: all of the past that there will be has been read before,
// or is being read. So it judges positions, and where the tail has not come as far, again and again until it has.
//
// While nobody waits it does not wake.
type recaller struct {
	// Set by newRecaller, not changed once somebody has asked.
	tail     *tail
	home     func(destination string) int // the partition of the bus's own topic that a destination has; -1 for unknown
	sources  map[string]*form.Mapping     // by topic
	patience time.Duration
	most     int // that wait

	woken chan struct{} // of capacity 1: somebody has asked

	mu     sync.Mutex
	asked  []*recall // not looked at yet
	closed bool      // run has ended

	waiting []*recall // owned by run
}

// recall is a wish to be answered.
type recall struct {
	destination string
	wish        bus.Wish
	done        func(bus.Recalled)
	deadline    time.Time
}

func newRecaller(t *tail, home func(string) int, sources map[string]*form.Mapping) *recaller {
	return &recaller{
		tail: t, home: home, sources: sources,
		patience: recallPatience, most: mostRecalls,
		woken: make(chan struct{}, 1),
	}
}

// recall implements Bus.Recall.
func (r *recaller) recall(destination string, w bus.Wish, done func(bus.Recalled)) {
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.asked = append(r.asked, &recall{destination: destination, wish: w, done: done, deadline: time.Now().Add(r.patience)})
	}
	r.mu.Unlock()
	if closed {
		done(bus.Recalled{Err: bus.ErrClosed})
		return
	}
	signal(r.woken)
}

// run answers until ctx ends. It takes a tenth of a processor at most for those that wait.
func (r *recaller) run(ctx context.Context) {
	defer r.close()
	var again <-chan time.Time // nil: nobody waits
	pause := lookPause
	for {
		select {
		case <-r.woken:
			r.lookAtAsked()
		case <-again:
			begun := time.Now()
			r.lookAgain(begun)
			again, pause = nil, max(lookPause, 9*time.Since(begun))
		case <-ctx.Done():
			return
		}
		if again == nil && len(r.waiting) > 0 {
			again = time.After(pause)
		}
	}
}

// lookAtAsked looks at what was asked since.
func (r *recaller) lookAtAsked() {
	r.mu.Lock()
	asked := r.asked
	r.asked = nil
	r.mu.Unlock()
	for _, q := range asked {
		switch {
		case r.look(q):
		case len(r.waiting) < r.most:
			r.waiting = append(r.waiting, q)
		default:
			r.conclude(q, errCrowd)
		}
	}
}

// lookAgain looks at those that wait, and gives up those that have for too long.
func (r *recaller) lookAgain(now time.Time) {
	r.waiting = slices.DeleteFunc(r.waiting, func(q *recall) bool {
		if r.look(q) {
			return true
		}
		late := !now.Before(q.deadline)
		if late {
			r.conclude(q, fmt.Errorf("kafkabus: this node has not read as far in %s: %w", r.patience, bus.ErrDown))
		}
		return late
	})
}

// close answers all that there is, at the end of run: nobody will read on.
func (r *recaller) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	for _, q := range append(r.waiting, r.asked...) {
		q.done(bus.Recalled{Err: bus.ErrClosed})
	}
}

// look answers q, and returns false if q has to wait for that.
func (r *recaller) look(q *recall) bool {
	waits, err := r.judge(q)
	if waits {
		return false
	}
	r.conclude(q, err)
	return true
}

// conclude answers q: it is whole, unless an error says why not.
func (r *recaller) conclude(q *recall, err error) {
	q.done(bus.Recalled{Head: r.head(q.destination), Whole: err == nil, Err: err})
}

// judge asks the partitions in which q's destination may be. An error says why it can't be whole; otherwise it may wait for
// one of them.
func (r *recaller) judge(q *recall) (waits bool, err error) {
	if len(q.wish.After) > mostAfter {
		return false, errAfter
	}
	r.tail.mu.Lock()
	defer r.tail.mu.Unlock()
	if len(q.wish.After) == 0 && q.wish.Last == 0 { // who begins stands behind all of the past
		return !r.tail.ready, nil
	}
	var found uint64 // which of its positions are in one of their logs, a bit each
	for p := range r.parts(q.destination) {
		named, w, err := p.answer(q.wish)
		if err != nil {
			return false, err
		}
		found, waits = found|named, waits || w
	}
	if bits.OnesCount64(found) < len(q.wish.After) {
		return false, errElsewhere
	}
	return waits, nil
}

// answer judges the positions of a wish. named are those that are in p's log, a bit each. The recaller calls it.
func (p *partition) answer(w bus.Wish) (named uint64, waits bool, err error) {
	for i, at := range w.After {
		v := p.judge(at)
		if v == elsewhere {
			continue
		}
		named |= 1 << i
		switch {
		case v == refuted:
			return named, false, errRefuted
		case v == old && !p.speaksFor(time.Time{}, w.Away):
			return named, false, errOld
		case v == doubtful:
			p.lookUp()
		}
		waits = waits || v == unread || v == doubtful
	}
	switch {
	case named != 0:
		return named, waits, nil
	case p.offset.Load() == unknownOffset:
		return 0, false, errUnseen
	case !p.named():
		return 0, false, errNameless
	case len(w.After) > 0 && !p.speaksFor(w.Told, w.Away):
		return 0, false, errUntold
	}
	return 0, p.left() > 0, nil
}

// lookUp has p's owner look p up, once in a while. The recaller calls it.
func (p *partition) lookUp() {
	if now := time.Now(); now.Sub(p.suspected) >= suspectPause {
		p.suspected = now
		p.suspect.Store(true)
	}
}

// parts are the partitions in which a destination may be: all of the bus's own topic, as whoever publishes without
// a key has his records in any of them, and those of sources that become destinations like it. The caller holds the tail's mutex.
func (r *recaller) parts(destination string) iter.Seq[*partition] {
	return func(yield func(*partition) bool) {
		for _, f := range r.tail.topics {
			if f.source && !r.sources[f.name].Matches(destination) {
				continue
			}
			for _, p := range f.parts {
				if !p.absent && !yield(p) {
					return
				}
			}
		}
	}
}

// head returns where somebody stands who begins now.
func (r *recaller) head(destination string) (head []bus.Position) {
	home := r.home(destination)
	r.tail.mu.Lock()
	defer r.tail.mu.Unlock()
	for p := range r.parts(destination) {
		if own := r.tail.topics[0].name; p.topic == own && p.number != home {
			continue
		}
		if at, ok := p.head(); ok && len(head) < mostHeads {
			head = append(head, at)
		}
	}
	return head
}
