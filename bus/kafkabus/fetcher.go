package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

const (
	maxWait       = 500 * time.Millisecond // that a broker may hold back an answer without records
	answerTimeout = 5 * time.Second        // for an answer, beyond what it may be held back
	mostTimeout   = 30 * time.Second       // for one that can't be smaller

	// Bytes of records that one fetch asks for. A timeout halves what the next one asks for, down
	// to leastBytes, and it grows again slowly: a thin line would never bring an answer in time. A
	// batch comes whole all the same, so from there on each timeout doubles the time.
	mostBytes      = 16 << 20
	leastBytes     = 64 << 10
	partitionBytes = 1 << 20 // of one partition

	// outageFailures in a row are an outage; the first one may only say that a connection had ended
	// unnoticed.
	outageFailures = 2

	// unwatched is how long nothing may be asked of a broker before its logs may be other ones: a topic
	// that is deleted while a fetch waits shows, but not one that has been made again by the next.
	unwatched = 200 * time.Millisecond

	// keptUnpacked is how many bytes a batch may become in memory that its fetcher keeps, and how
	// much that is. What becomes more is had by one fetcher of the bus at a time, and for a batch.
	keptUnpacked = 4 << 20

	// maxUnpacked bounds what a batch may become at all. What becomes more is skipped. With zstd the
	// window counts, too: that of its highest level is as large as this.
	maxUnpacked = 128 << 20

	leastPause = 50 * time.Millisecond // after an error
	mostPause  = time.Second
)

// backoff returns how long to wait after an error, given how long it was before.
func backoff(pause time.Duration) time.Duration {
	return min(max(leastPause, 2*pause), mostPause)
}

// The partitions of a topic that a broker leads are dealt out to shares, with one fetch at a time for each: every 16
// to four shares, and all to 16 at most. With a single one, whatever comes just after an answer has to wait
// for the next: at 1,000 records a second that made the latency's p99 three times as long, and four for 64
// partitions twice. A fetch for each partition would cost a connection and a wake-up for each.
const (
	dealt     = 16 // partitions
	toShares  = 4
	maxShares = 16
)

// share is what one fetcher reads.
type share struct {
	broker int32
	number int // 0 to maxShares-1
}

// share returns what p belongs to now. It runs under the tail's mutex.
func (p *partition) share() share {
	return share{p.leader, (p.rank/dealt*toShares + p.rank%toShares) % maxShares}
}

// fetcher reads a share of the partitions that one broker leads. One goroutine runs it, and hands on
// the records; it ends when the share is empty.
//
// A partition whose leader changes goes from fetcher to fetcher by what the tail knows: the one that
// owns it lets it go between two fetches, and the other takes it from there with its offset. Both
// are woken for that, so that nobody waits for the end of a fetch. Waking drops the fetch under way, and
// its connection.
type fetcher struct {
	// Set by newFetcher, never changed.
	tail *tail
	share
	pulse *pulse // of the broker's answers; any goroutine

	// Set by claim, under the tail's mutex.
	round context.Context // ends when the partitions have to be looked at again
	wake  context.CancelFunc

	// Owned by the goroutine.
	held     []*partition  // those it owns, in the order of the topics
	due      []*partition  // those of them that a fetch asks for
	after    *partition    // the next fetch begins behind it
	most     int32         // bytes to ask for
	timeout  time.Duration // for the answer
	answer   *wire.Fetch   // used again
	room     []byte        // what a batch was unpacked into last
	large    bool          // it has a large batch
	names    wire.Names
	rec      wire.Record
	answered time.Time // the last time
	failures int       // since then
	pause    time.Duration
}

func newFetcher(t *tail, s share) *fetcher {
	return &fetcher{
		tail:    t,
		share:   s,
		pulse:   new(pulse),
		wake:    func() {},
		most:    mostBytes,
		timeout: answerTimeout,
		answer:  wire.NewFetch(t.mostAnswer, mostBytes),
		names:   make(wire.Names),
	}
}

func (f *fetcher) run() {
	for f.tail.claim(f) {
		for f.round.Err() == nil {
			f.once()
		}
	}
	if f.failures >= outageFailures && f.tail.speaks(f.broker) && f.tail.ctx.Err() == nil {
		f.tail.log.Info("the silent broker no longer leads any partition", "broker", f.tail.cluster.host(f.broker))
	}
}

// once asks for everything that is due, and hands on what comes.
func (f *fetcher) once() {
	next := f.choose()
	if len(f.due) == 0 {
		f.pulse.answered() // nothing is owed
		wait(f.round, next)
		return
	}
	f.pulse.asked()
	err := f.locate(f.due)
	if err == nil {
		err = f.fetch(min(next, maxWait))
	}
	if err != nil && f.round.Err() == nil {
		f.failed(err)
	}
}

// choose fills due, and returns after what time another partition is due.
func (f *fetcher) choose() (next time.Duration) {
	now := time.Now()
	next = time.Hour // or woken before
	start := slices.Index(f.held, f.after) + 1
	f.due = f.due[:0]
	for i := range f.held {
		p := f.held[(start+i)%len(f.held)]
		if now.Sub(f.answered) > unwatched || p.suspect.Load() && p.suspect.Swap(false) {
			p.doubt()
		}
		if f.tail.past.over.Load() {
			f.skipPast(p)
		}
		if wait := p.resume.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		f.due = append(f.due, p)
	}
	return next
}

// fetch asks for the records of what is due, and hands them on. What was never read is not to wait
// for records: ready waits for it.
func (f *fetcher) fetch(wait time.Duration) error {
	if slices.ContainsFunc(f.due, func(p *partition) bool { return !p.read.Load() }) {
		wait = 0
	}
	req := f.request(wait)
	if len(req.Topics) == 0 {
		f.succeeded() // it has answered about offsets
		return nil
	}
	f.answer.Request = req
	defer f.answer.Release()
	if err := f.ask(f.answer, wait+f.timeout); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			f.late()
		}
		var large *wire.TooLarge
		if errors.As(err, &large) {
			f.pass(large)
		}
		return err
	}
	if f.answer.Code != 0 {
		return f.answer.Code
	}
	f.inTime()
	f.succeeded()
	f.hand(f.answer)
	return nil
}

// pass leaves out the batch that makes an answer too large. The answer is an error all the same: its
// connection is of no use any more.
func (f *fetcher) pass(large *wire.TooLarge) {
	for _, p := range f.due {
		if p.isIn(&large.Partition) {
			p.end.Store(large.Partition.End)
			p.passBy(&large.Batch, large, f)
		}
	}
}

// late asks for less from now on or, if that is not possible, gives more time.
func (f *fetcher) late() {
	if f.most == leastBytes {
		f.timeout = min(2*f.timeout, mostTimeout)
	}
	f.most = max(f.most/2, leastBytes)
}

// inTime undoes some of what late did.
func (f *fetcher) inTime() {
	f.most = min(f.most+f.most/8, mostBytes)
	f.timeout = max(f.timeout/2, answerTimeout)
}

// ask asks the broker, which has limit to answer: nothing else ends the reading of an answer.
func (f *fetcher) ask(q wire.Question, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(f.round, limit)
	defer cancel()
	_, _, err := f.tail.cluster.ask(ctx, f.broker, q)
	return err
}

func (f *fetcher) request(wait time.Duration) *fetch.Request {
	req := &fetch.Request{
		ReplicaID:    -1,
		MaxWaitTime:  int32(max(1, wait.Milliseconds())),
		MinBytes:     1,
		MaxBytes:     f.most,
		SessionEpoch: -1, // no session
	}
	for _, p := range f.due {
		if p.place != known {
			continue
		}
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != p.topic {
			req.Topics = append(req.Topics, fetch.RequestTopic{Topic: p.topic})
		}
		topic := &req.Topics[len(req.Topics)-1]
		topic.Partitions = append(topic.Partitions, fetch.RequestPartition{
			Partition:          int32(p.number),
			CurrentLeaderEpoch: -1,
			FetchOffset:        p.offset.Load(),
			LogStartOffset:     -1,
			PartitionMaxBytes:  min(partitionBytes, f.most),
		})
	}
	return req
}

// hand goes through an answer. Brokers answer in the order of the request.
func (f *fetcher) hand(answer *wire.Fetch) {
	now, cursor := time.Now().UnixNano(), 0
	for i := range answer.Partitions {
		a := &answer.Partitions[i]
		for n := range f.due {
			p := f.due[(cursor+n)%len(f.due)]
			if p.isIn(a) {
				cursor += n + 1
				f.take(p, a, now)
				break
			}
		}
	}
}

// take takes what came of one partition.
func (f *fetcher) take(p *partition, a *wire.Fetched, now int64) {
	if a.Code != 0 {
		p.returned = p.returned || a.Code == kafka.UnknownTopicOrPartition
		p.doubt()
		f.putOff(p, a.Code)
		return
	}
	p.answered.Store(now)
	p.end.Store(a.End)
	if !p.read.Swap(true) {
		signal(f.tail.found)
	}
	if len(a.Batches) > 0 {
		f.after = p
		past := p.isPast(p.offset.Load())
		err := p.deliver(a.Batches, f)
		if past && !p.isPast(p.offset.Load()) {
			signal(f.tail.found)
		}
		if err != nil {
			f.putOff(p, err)
			return
		}
	}
	p.pause = 0
	p.trouble.answered()
}

// deliver hands on the records of a batch from p's offset on.
func (f *fetcher) deliver(p *partition, b *wire.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	p.enter(b.First, b.Epoch)
	if b.IsControl() {
		return nil
	}
	unpacked, err := f.unpack(b)
	defer f.shrink()
	if err != nil {
		return err
	}
	f.rec.Topic, f.rec.Partition = p.topic, p.number
	if p.isPast(b.First) {
		f.tail.past.add(b)
	}
	s := b.Scan(unpacked, f.names)
	for s.Next(&f.rec) {
		if f.rec.Offset < p.offset.Load() {
			continue
		}
		if f.tail.ctx.Err() != nil {
			return nil
		}
		f.tail.handle(&f.rec, p)
		p.offset.Store(f.rec.Offset + 1)
	}
	return s.Err()
}

// unpack returns the records of b without compression, until shrink is called: in b, in the room that
// f keeps, or in more, for which it waits until no other fetcher has as much.
func (f *fetcher) unpack(b *wire.Batch) ([]byte, error) {
	if !b.IsPacked() {
		return b.Records(), nil
	}
	unpacked, err := f.tail.unpacker.Unpack(b, f.room)
	if err == nil {
		f.room = unpacked
	}
	if !errors.Is(err, wire.ErrUnpacked) {
		return unpacked, err
	}
	select {
	case f.tail.large <- struct{}{}:
		f.large = true
	case <-f.tail.ctx.Done():
		return nil, f.tail.ctx.Err()
	}
	most := f.tail.mostUnpacked
	unpacked, err = wire.NewUnpacker(most).Unpack(b, nil) // a new one: zstd remembers what it has made
	if errors.Is(err, wire.ErrUnpacked) {
		err = fmt.Errorf("the batch unpacks to more than %d MiB", most>>20)
	}
	return unpacked, err
}

// shrink lets go of all that a batch took beyond the room that is kept, and another fetcher have a
// large one.
func (f *fetcher) shrink() {
	clear(f.rec.Headers)
	f.rec.Key, f.rec.Value = nil, nil // they alias it
	if f.large {
		f.large = false
		<-f.tail.large
	}
}

// putOff leaves p out of fetches for a while, which doubles as long as the errors last. What comes with a new leader is everyday; what is out of range
// is looked up next.
func (f *fetcher) putOff(p *partition, err error) {
	p.pause = backoff(p.pause)
	p.resume = time.Now().Add(p.pause)
	p.trouble.failed(err)
	switch err {
	case kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.UnknownTopicOrPartition, kafka.ReplicaNotAvailable,
		kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.KafkaStorageError, kafka.OffsetNotAvailable, kafka.OffsetOutOfRange,
		kafka.TopicAuthorizationFailed: // tail.tell tells of it
		return
	}
	if left, ok := f.tail.logged.Pass(); ok {
		f.tail.log.Warn("a partition can't be read, still retrying",
			"topic", p.topic, "partition", p.number, "offset", p.offset.Load(), "err", err, "left_out", left)
	}
}

// failed notes that the broker did not answer, and waits.
func (f *fetcher) failed(err error) {
	f.pulse.failed(err)
	f.answered = time.Time{}
	if f.failures++; f.failures == outageFailures && f.tail.fallsSilent(f.broker) {
		f.tail.log.Warn("a broker does not answer", "broker", f.tail.cluster.host(f.broker), "err", err)
	}
	f.pause = backoff(f.pause)
	wait(f.round, f.pause)
}

func (f *fetcher) succeeded() {
	silence := f.pulse.answered()
	if f.failures >= outageFailures && f.tail.speaks(f.broker) {
		f.tail.log.Info("the broker answers again", "broker", f.tail.cluster.host(f.broker), "after", silence.Round(time.Millisecond))
	}
	f.answered, f.failures, f.pause = time.Now(), 0, 0
}
