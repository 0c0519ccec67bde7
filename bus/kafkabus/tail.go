package kafkabus

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
	"github.com/stompgw/stompgw/bus/seldom"
)

// tail reads every partition of every topic from "now" on, without a consumer group: nothing of it
// stays on the brokers.
//
// "Now" is the next offset of each partition that a topic has when it is first seen; ready waits for
// all of them. A partition that is seen later is new, and read from its first offset, so nothing
// that is published after ready is missed; and so are all of a topic that a broker had said does not
// exist. No other answer makes a topic look new: one that is denied, or left out, is read on from
// where it was. A partition is never forgotten: a broker with an old view of the world must not make
// it look new.
//
// The first topic is the bus's own. The others are sources, each of which fails alone: ready waits
// for those alone that can be read.
//
// Records are delivered as they are in the log, those of transactions that were aborted too, as
// Java's consumers do unless told otherwise: an open transaction of a foreign producer would hold up
// everybody else's records.
type tail struct {
	// Set by newTail, never changed.
	cluster *cluster
	log     *slog.Logger

	mostAnswer   int32 // bytes of an answer
	unpacker     *wire.Unpacker
	mostUnpacked int           // bytes that a batch may become which is too large for that
	large        chan struct{} // of capacity 1: what a fetcher puts in while it has such a batch

	patience time.Duration // with a source; set by newTail and New, not changed once run has begun

	hole func(*bus.Mark) // what is told of a hole; set by Receive, before run
	past past

	// Set by begin, before any fetcher.
	started time.Time
	ctx     context.Context
	handle  func(rec *wire.Record, p *partition)
	topics  []*followed // in the order of the cluster's; each says what mu guards

	// Any goroutine; each guards itself.
	gaps, missed, repeated, skipped atomic.Uint64
	logged                          seldom.Line
	found                           chan struct{} // of capacity 1: a partition was read for the first time, or its past was

	mu       sync.Mutex
	begun    bool // run is at work
	ready    bool
	home     string    // the id of the cluster of the latest view that told it
	sighted  time.Time // since when ready waits for sources alone; zero before
	fetchers map[share]*fetcher
	silent   map[int32]int  // how many fetchers of a broker have no answer
	running  sync.WaitGroup // the fetchers
}

func newTail(c *cluster, log *slog.Logger) *tail {
	return &tail{
		cluster:      c,
		log:          log,
		mostAnswer:   wire.MostAnswer,
		unpacker:     wire.NewUnpacker(keptUnpacked),
		mostUnpacked: maxUnpacked,
		large:        make(chan struct{}, 1),
		found:        make(chan struct{}, 1),
		hole:         func(*bus.Mark) {},
		past:         past{limit: pastLimit},
		patience:     sourcePatience,
		fetchers:     make(map[share]*fetcher),
		silent:       make(map[int32]int),
	}
}

// run reads until ctx ends, and returns when all its goroutines have ended. It calls ready once, when
// everything that is published from then on will come. handle runs on up to 16 goroutines for each broker;
// it borrows the record and its partition, and may block.
func (t *tail) run(ctx context.Context, ready func(), handle func(rec *wire.Record, p *partition)) {
	t.begin(ctx, handle)
	defer t.end()
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		v, changed := t.cluster.view()
		if v != nil {
			t.follow(v)
			t.tell()
		}
		if n := t.becomesReady(); n > 0 {
			t.log.Info("receiving from Kafka", "topics", t.cluster.topics, "partitions", n)
			ready()
		}
		t.tellPast()
		select {
		case <-changed:
		case <-t.found:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (t *tail) begin(ctx context.Context, handle func(rec *wire.Record, p *partition)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.started, t.ctx, t.handle, t.begun = time.Now(), ctx, handle, true
	for i, name := range t.cluster.topics {
		t.topics = append(t.topics, &followed{name: name, source: i > 0})
	}
}

func (t *tail) end() {
	t.running.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = false
}

// follow brings the topics up to date, and has a fetcher at work for each share.
func (t *tail) follow(v *view) {
	t.mu.Lock()
	defer t.mu.Unlock()
	moved := t.home != "" && v.id != "" && t.home != v.id
	t.home = cmp.Or(v.id, t.home)
	woken := make(map[share]bool) // whose partitions have changed
	for _, f := range t.topics {
		topic := v.topics[f.name]
		f.fresh = f.fresh && !moved
		if f.follow(topic) {
			t.grow(f, len(topic.leaders), moved)
		}
		led := map[int32]int{} // partitions, so far
		for _, p := range f.parts {
			was := p.share()
			p.follow(topic)
			p.rank = led[p.leader]
			led[p.leader]++
			if p.share() != was {
				woken[was], woken[p.share()] = true, true
			}
		}
	}
	for s := range woken {
		t.wake(s)
	}
}

// partitions returns those of all topics. The caller holds mu.
func (t *tail) partitions() (all []*partition) {
	for _, f := range t.topics {
		all = append(all, f.parts...)
	}
	return all
}

// grow adds the partitions of a topic, which has total now, that were never seen. Those of a
// cluster that took the place of another one are not new.
func (t *tail) grow(f *followed, total int, moved bool) {
	had := len(f.parts)
	if total <= had {
		return
	}
	for number := had; number < total; number++ {
		p := newPartition(f.name, number, &t.repeated)
		if moved || had == 0 && !f.fresh {
			p.startAtEnd()
		}
		f.parts = append(f.parts, p)
	}
	switch {
	case moved:
		t.log.Info("a topic has more partitions on another cluster; they are read from their end", "topic", f.name, "had", had, "has", total)
	case had > 0:
		t.log.Info("a topic has new partitions; they are read from their first offset", "topic", f.name, "had", had, "has", total)
	case f.fresh:
		t.log.Info("a topic that did not exist now does; it is read from its first offset", "topic", f.name, "partitions", total)
	}
}

// follow takes over what a view says of p's topic. It runs under the tail's mutex.
func (p *partition) follow(topic topicView) {
	p.leader = none
	if p.number < len(topic.leaders) {
		p.leader = topic.leaders[p.number]
	}
	was := p.absent
	p.absent = topic.err == nil && p.number >= len(topic.leaders) || errors.Is(topic.err, kafka.UnknownTopicOrPartition)
	p.away = p.away || p.absent
	if p.absent && !was {
		p.leave()
	}
	switch {
	case p.leader != none:
	case topic.err != nil:
		p.trouble.failed(topic.err)
	default:
		p.trouble.failed(kafka.LeaderNotAvailable)
	}
}

// wake has the fetcher of a share look at its partitions, and starts it if there is none.
func (t *tail) wake(s share) {
	switch f := t.fetchers[s]; {
	case f != nil:
		f.wake()
	case s.broker != none && t.ctx.Err() == nil:
		f = newFetcher(t, s)
		t.fetchers[s] = f
		t.running.Go(f.run) // it ends by itself if nothing is left for it
	}
}

// fallsSilent notes that a fetcher of a broker gets no answer, and reports whether it is the first one.
func (t *tail) fallsSilent(broker int32) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.silent[broker]++
	return t.silent[broker] == 1
}

// speaks undoes fallsSilent, and reports whether it was the last one.
func (t *tail) speaks(broker int32) (last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.silent[broker]--
	return t.silent[broker] == 0
}

// claim gives f the partitions that it should own and nobody else does, and takes from it those that
// it should not. It returns false when f's goroutine has to end.
func (t *tail) claim(f *fetcher) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.wake() // nothing waits for the old round any more
	f.held = f.held[:0]
	leads := false
	for _, p := range t.partitions() {
		mine := p.share() == f.share && t.ctx.Err() == nil
		leads = leads || mine
		if p.owner == f && !mine {
			p.owner = nil
			t.wake(p.share())
		}
		if p.owner == nil && mine {
			p.owner = f
			p.pause, p.resume = 0, time.Time{}
			p.doubt()
		}
		if p.owner == f {
			p.comeBack(t.ready)
			f.held = append(f.held, p)
		}
	}
	if !leads {
		delete(t.fetchers, f.share)
		return false
	}
	f.round, f.wake = context.WithCancel(t.ctx)
	return true
}

// comeBack tells the owner of p that it was absent, if it was. It runs under the tail's mutex.
func (p *partition) comeBack(ready bool) {
	if !p.away {
		return
	}
	p.away, p.returned = false, true
	p.doubt()
	if p.place == atEnd && ready { // ready did not wait for what was absent: it comes as a new one
		p.place = atFirst
		p.offset.Store(0)
	}
}

// becomesReady returns, once, how many partitions are read: when nothing of the bus's own topic is
// awaited any more, nothing of the sources, which are waited for while they can be read and
// for t.patience at most, and nothing of the past. Until then, and afterwards, it returns 0.
func (t *tail) becomesReady() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ready || t.awaited(t.topics[0]) != nil {
		return 0
	}
	if t.sighted.IsZero() {
		t.sighted = time.Now()
	}
	coming := func(f *followed) bool { return t.fault(f, t.patience) == nil && t.awaited(f) != nil }
	if time.Since(t.sighted) < t.patience && slices.ContainsFunc(t.topics[1:], coming) || t.readsBack() {
		return 0
	}
	t.ready = true
	return len(t.partitions())
}

// unreadable counts records that can't be read, at p's offset, and logs them.
func (t *tail) unreadable(p *partition, count int64, err error) {
	t.skipped.Add(uint64(count))
	if left, ok := t.logged.Pass(); ok {
		t.log.Warn("unreadable records skipped",
			"topic", p.topic, "partition", p.number, "offset", p.offset.Load(), "records", count, "err", err, "left_out", left)
	}
}

// healthy returns nil if the bus's own topic can be read, or was never to be. After the tail is
// ready, a broker may owe an answer for limit before that counts.
func (t *tail) healthy(limit time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.begun:
		return nil
	case t.ready:
		return t.fault(t.topics[0], limit)
	}
	return cmp.Or(t.fault(t.topics[0], limit), t.awaited(t.topics[0]), t.pastError())
}

// silence returns for how long the leader of a partition of the bus's own topic has owed an answer:
// 0 if it does not, or if nothing is read.
func (t *tail) silence(number int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun || number >= len(t.topics[0].parts) {
		return 0
	}
	silence, _ := t.silenceOf(t.topics[0].parts[number])
	return silence
}

// silenceOf returns for how long p could not be read, and why if that is known. t.mu is held.
func (t *tail) silenceOf(p *partition) (time.Duration, error) {
	silence, cause := p.trouble.silence()
	if f := t.fetchers[p.share()]; f != nil {
		if s, c := f.pulse.silence(); s > silence {
			return s, c
		}
	}
	return silence, cause
}

// figures returns the tail's part of the bus's figures.
func (t *tail) figures() bus.Figures {
	f := bus.Figures{
		Gaps:     t.gaps.Load(),
		Missed:   t.missed.Load(),
		Repeated: t.repeated.Load(),
		Skipped:  t.skipped.Load(),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		return f
	}
	f.Past, _ = t.left()
	now := time.Now().UnixNano()
	for _, p := range t.partitions() {
		if p.absent || p.offset.Load() == unknownOffset {
			continue
		}
		f.Partitions = append(f.Partitions, bus.PartitionFigures{
			Topic:     p.topic,
			Partition: p.number,
			Lag:       p.lag(),
			Age:       time.Duration(max(0, now-p.answered.Load())),
		})
	}
	slices.SortStableFunc(f.Partitions, func(a, b bus.PartitionFigures) int { return cmp.Compare(a.Topic, b.Topic) })
	return f
}
