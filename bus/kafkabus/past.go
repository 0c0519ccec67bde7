package kafkabus

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

const (
	// recordBytes is what a kept record is taken to need in memory: 200 bytes of body and two headers do.
	recordBytes = 600

	// pastMargin is how much older than bus.Keep.Age what is read back begins: the clocks of those who publish may be behind
	// this node's, and what was written a second time, as nodes do for Config.Deadline, shows only to those who have read the first.
	// Where bus.Keep.Bytes are too few for that, who resumes from the very beginning of what was read may get a batch twice.
	pastMargin = 40 * time.Second

	// halvings is how often the time is halved in search of one whose records are few enough.
	halvings = 10

	// pastLimit is for how long the node is not ready because it reads the past.
	pastLimit = 30 * time.Second
)

// past is what the tail knows of what was published before it began.
//
// It is read first, and handed on as such: from the first record of bus.Keep.Age ago on, but no more of it than
// bus.Keep.Bytes can hold. Where that is too much for the time that there is, the rest is left out.
type past struct {
	limit time.Duration // pastLimit; set by newTail, not changed once run has begun

	keep           atomic.Pointer[bus.Keep] // nil: nothing has history
	over           atomic.Bool              // the time is up
	records, bytes atomic.Int64             // read so far

	told     bool // the log has heard how it went; owned by run
	nameless bool // and that there are topics without identities; owned by run
}

// add counts a batch of the past.
func (p *past) add(b *wire.Batch) {
	p.records.Add(b.Count())
	p.bytes.Add(int64(len(b.Records())))
}

// remember implements Bus.Remember.
func (t *tail) remember(k bus.Keep) {
	if k.Has == nil {
		t.past.keep.Store(nil)
		return
	}
	t.past.keep.Store(&k)
}

// markOf returns the mark of an envelope whose destination has history, else nil. It is p's, until the next one.
func (t *tail) markOf(rec *wire.Record, p *partition, e *bus.Envelope) *bus.Mark {
	keep := t.past.keep.Load()
	if keep == nil || e.Principal != "" || p.window.log == 0 || !keep.Has(e.Destination) {
		return nil
	}
	return p.stamp(rec.Offset, rec.Time)
}

// findPast looks for where to begin, of those partitions that are to be read from their end on. What is more than is
// kept is not read: then the time is halved until its records are few enough, which tells since when all are read.
func (f *fetcher) findPast(parts []*partition, seen map[spot]*sight) error {
	keep := f.tail.past.keep.Load()
	if keep == nil {
		return nil
	}
	due := slices.DeleteFunc(slices.Clone(parts), func(p *partition) bool {
		s := seen[p.spot()]
		return p.place != atEnd || s.err != nil || s.id == (topicID{}) || s.last.offset <= s.first.offset
	})
	most := int64(keep.Bytes / recordBytes / max(1, f.tail.count()))
	now := time.Now()
	for half := range halvings {
		if len(due) == 0 {
			break
		}
		since := now.Add(-(keep.Age >> half))
		young := since.Add(-pastMargin).UnixMilli()
		if err := f.list(young, func(s *sight) *mark { return &s.young })(due, seen); err != nil {
			return err
		}
		due = slices.DeleteFunc(due, func(p *partition) bool {
			s := seen[p.spot()]
			return s.err != nil || !s.beginPast(most, since)
		})
	}
	return nil
}

// beginPast has s begin at s.young, the first record since a time, or with the last of the log, as many as may be. It
// reports whether these are fewer, so that they stand for a shorter time.
func (s *sight) beginPast(most int64, since time.Time) (shorter bool) {
	first := s.young.offset
	if first < 0 || first > s.last.offset {
		first = s.last.offset // nothing is that young
	}
	if s.past.offset < 0 {
		s.past.offset = max(first, s.first.offset, s.last.offset-most)
	}
	shorter = first < s.past.offset
	switch removed := first > 0 && first == s.first.offset; {
	case shorter, removed && s.listed < 0:
		s.since = time.Now()
	case removed: // what was before it may have been as young
		s.since = time.UnixMilli(s.listed)
	default:
		s.since = since
	}
	return shorter
}

// skipPast leaves out what p has not read of the past in time. That is the newest, so that nobody who was there before can
// resume. To leave out the oldest, a node had to find out halfway how much it can read, and to search by time once more since when
// that is, for all partitions: to read less from the start, as less memory for history has it do, is the operator's better choice.
func (f *fetcher) skipPast(p *partition) {
	live := p.window.live.offset
	if at := p.offset.Load(); at != unknownOffset && p.place != atFirst && at < live {
		f.tail.lose(p, live)
	}
}

// lose has p go on at an offset before which something can't be had any more. p's owner calls it.
func (t *tail) lose(p *partition, to int64) {
	p.lose(to)
	t.tellHole(bus.Position{Log: p.window.log, Offset: uint64(to)}, 0)
}

// tellHole tells that something of a log can't be had any more, by an event of which there is a hole in each partition.
func (t *tail) tellHole(at bus.Position, event uint32) {
	if at.Log != 0 && t.past.keep.Load() != nil {
		t.hole(&bus.Mark{At: at, Published: time.Now().UnixMilli(), Hole: true, Event: event})
	}
}

// count returns how many partitions there are.
func (t *tail) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.partitions())
}

// left returns how much of the past is to be read, and of which partition. t.mu is held.
func (t *tail) left() (records int64, of *partition) {
	for _, p := range t.partitions() {
		if n := p.left(); n > 0 && !p.absent {
			records += n
			of = p
		}
	}
	return records, of
}

// readsBack reports whether the past is still to be waited for. t.mu is held.
func (t *tail) readsBack() bool {
	if t.past.keep.Load() == nil {
		return false
	}
	if records, _ := t.left(); records == 0 {
		return false
	}
	if time.Since(t.sighted) < t.past.limit {
		return true
	}
	t.past.over.Store(true)
	return false
}

// tellPast tells the log, once, how much of the past was read.
func (t *tail) tellPast() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tellNameless()
	if t.past.told || !t.ready {
		return
	}
	t.past.told = true
	if t.past.keep.Load() == nil {
		return
	}
	log := t.log.With("records", t.past.records.Load(), "bytes", t.past.bytes.Load(), "after", time.Since(t.started).Round(time.Millisecond))
	if left, _ := t.left(); left > 0 {
		log.Warn("the past could not be read back in time, and the rest is left out; with less memory for history there is less to read", "left", left)
		return
	}
	log.Info("the past has been read back")
}

// tellNameless tells the log, once, of brokers that say no identities. The caller holds t.mu.
func (t *tail) tellNameless() {
	if t.past.nameless || t.past.keep.Load() == nil {
		return
	}
	for _, p := range t.partitions() {
		if p.offset.Load() != unknownOffset && p.read.Load() && !p.absent && !p.named() {
			t.past.nameless = true
			t.log.Warn("no history: the brokers do not tell the identities of topics; Kafka 3.0 and later do", "topic", p.topic)
			return
		}
	}
}

// pastError says how much of the past is to be read yet, nil for nothing. t.mu is held.
func (t *tail) pastError() error {
	if records, p := t.left(); records > 0 && t.past.keep.Load() != nil {
		return fmt.Errorf("kafkabus: history: %d records are still to be read back, also of partition %d of topic %s", records, p.number, p.topic)
	}
	return nil
}
