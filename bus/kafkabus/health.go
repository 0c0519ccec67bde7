package kafkabus

import (
	"cmp"
	"slices"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// unreadable counts records that can't be read, at p's offset, and logs them.
func (t *tail) unreadable(p *partition, count int64, err error) {
	t.skipped.Add(uint64(count))
	if left, ok := t.logged.Pass(); ok {
		t.log.Warn("records can't be read and are skipped",
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
	return cmp.Or(t.fault(t.topics[0], limit), t.awaited(t.topics[0]))
}

// silence returns for how long the leader of a partition of the bus's own topic has owed an answer:
// 0 if it does not, or if nothing is read.
func (t *tail) silence(number int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := slices.BinarySearchFunc(t.table, number, func(p *partition, number int) int {
		return p.compare(t.cluster.topics[0], number)
	})
	if !ok || !t.begun {
		return 0
	}
	silence, _ := t.silenceOf(t.table[i])
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
	now := time.Now().UnixNano()
	for _, p := range t.table {
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
	return f
}
