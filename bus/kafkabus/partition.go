package kafkabus

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// place is how well it is known where to read on.
type place int

const (
	known   place = iota
	atEnd         // at the end of the log of now
	atFirst       // at the first record: it is a new partition
	unsure        // at its offset, unless the log is not what it was
)

// checksumTries is how often a batch is asked for whose checksum is wrong: it may have suffered on
// its way.
const checksumTries = 3

// unknownOffset is the offset of a partition before it has one.
const unknownOffset = -1

// partition is one partition that this node reads, and how far it has come. Exactly one fetcher, or
// none, owns it at a time.
type partition struct {
	// Set by newPartition, never changed.
	topic  string
	number int

	// Guarded by the tail's mutex.
	leader int32    // none if it has none
	rank   int      // how many partitions of the topic with lower numbers have the same leader
	owner  *fetcher // nil for none
	absent bool     // it is not in the latest view
	away   bool     // it was absent, and its owner does not know yet

	// Owned by the owner.
	place    place
	id       topicID // of the topic that was read last; all zero for unknown
	cluster  string  // that it was read from; empty for unknown
	returned bool    // it was away since its place was known
	epoch    int32   // the latest of a leader whose records were read, or which led at the start; -1 for none
	later    int32   // one above epoch that has come since, else -1
	seen     *repeats
	mark     bus.Mark      // of the record that is handed on
	broken   int           // answers whose batch at offset had a wrong checksum
	resume   time.Time     // when to ask for it again, after an error
	pause    time.Duration // that led to resume

	// Written by the owner; any goroutine may read.
	offset   atomic.Int64 // the next to be read, or unknownOffset
	end      atomic.Int64 // the high watermark
	answered atomic.Int64 // when it last came without an error, in nanoseconds of the Unix time
	read     atomic.Bool  // it has come without an error since its place is known

	// Any goroutine; each guards itself.
	trouble pulse       // since when it can't be read though its broker may answer
	window  window      // what of the log was handed on
	suspect atomic.Bool // somebody knows of another log: it has to be looked up

	suspected time.Time // when somebody did last; owned by the recaller
}

// newPartition returns one that is to be read from its first record. What is written to it twice is counted.
func newPartition(topic string, number int, repeated *atomic.Uint64) *partition {
	p := &partition{topic: topic, number: number, leader: none, place: atFirst, epoch: -1, later: -1, seen: newRepeats(repeated)}
	p.answered.Store(time.Now().UnixNano())
	return p
}

// startAtEnd has p read from the offset that its next record will have.
func (p *partition) startAtEnd() {
	p.place = atEnd
	p.offset.Store(unknownOffset)
}

// doubt has p looked up before it is read on.
func (p *partition) doubt() {
	if p.place == known {
		p.place = unsure
	}
}

// isIn reports whether a is about p.
func (p *partition) isIn(a *wire.Fetched) bool {
	return p.number == int(a.Number) && p.topic == string(a.Topic)
}

func (p *partition) lag() int64 {
	return max(0, p.end.Load()-p.offset.Load())
}

// deliver hands on what the batches hold from p's offset on. An error says that p has come no
// further and why, and is worth another try. What can never be read is counted and passed by.
func (p *partition) deliver(set []byte, f *fetcher) error {
	at := p.offset.Load()
	unreadable := false
	for len(set) > 0 {
		b, rest, err := wire.Cut(set)
		if errors.Is(err, wire.ErrCut) {
			break
		}
		set = rest
		if err == nil && b.Last < p.offset.Load() {
			continue
		}
		if err == nil && p.epoch >= 0 && b.Epoch > p.epoch {
			p.place, p.later = unsure, b.Epoch // the new leader may not have had all that was read
			return nil
		}
		if err == nil {
			err = f.deliver(p, &b)
		}
		switch {
		case f.tail.ctx.Err() != nil:
			return nil
		case errors.Is(err, wire.ErrChecksum) && p.broken+1 < checksumTries:
			p.broken++
			return err
		case err != nil:
			unreadable = true
			p.passBy(&b, err, f)
		default:
			p.epoch = max(p.epoch, b.Epoch)
			p.offset.Store(b.Last + 1)
		}
		p.broken = 0
	}
	switch {
	case p.offset.Load() > at:
		return nil
	case unreadable: // and it does not even tell where it ends
		f.tail.lose(p, at+1)
		return nil
	}
	return wire.ErrCut
}

// passBy goes on behind a batch that can't be read, or not to its end. Where it ends may be as wrong
// as the rest of it, so that p never goes beyond what the broker has.
func (p *partition) passBy(b *wire.Batch, err error, f *fetcher) {
	at := p.offset.Load()
	to := max(at, min(b.Last+1, p.end.Load()))
	f.tail.unreadable(p, max(1, to-max(at, b.First)), err)
	f.tail.lose(p, to)
}
