package kafkabus

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// sight is what a broker says of one partition.
type sight struct {
	first, last wire.Offset
	end         wire.Offset  // of the epoch of the last record read
	id          wire.TopicID // all zero if it is not known
	cluster     string       // empty if it is not known
}

// locate finds where to read on, of those among the partitions of which that is not known.
func (f *fetcher) locate(parts []*partition) error {
	var all []*partition
	for _, p := range parts {
		if p.place != known {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil
	}
	seen, err := f.look(all)
	if err != nil {
		return err
	}
	for _, p := range all {
		s, ok := seen[p]
		switch {
		case !ok: // put off
		case p.place == unsure:
			f.relocate(p, s)
		default:
			p.begin(s)
		}
	}
	return nil
}

// look asks the broker for all that it can say about the partitions. Those about which it has an
// error are put off instead.
func (f *fetcher) look(parts []*partition) (map[*partition]sight, error) {
	var topics []string
	var names []wire.Partition
	var epochs []wire.Epoch
	for _, p := range parts {
		topics = append(topics, p.topic)
		names = append(names, p.name())
		epochs = append(epochs, wire.Epoch{Partition: p.name(), Number: p.epoch})
	}
	ids, ends := wire.NewTopicIDs(slices.Compact(topics)), wire.NewEpochEnds(epochs)
	firsts, lasts := wire.NewOffsets(names, wire.FirstOffset), wire.NewOffsets(names, wire.LastOffset)
	for _, ask := range []struct {
		what string
		wire.Question
	}{
		{"ask for the topics", ids},
		{"ask for the ends of epochs", ends},
		{"list offsets", firsts},
		{"list offsets", lasts},
	} {
		if err := f.ask(ask.Question, answerTimeout); err != nil {
			return nil, fmt.Errorf("%s: %w", ask.what, err)
		}
	}
	seen := make(map[*partition]sight)
	for _, p := range parts {
		topic := ids.Found[p.topic]
		s := sight{first: offsetOf(firsts, p), last: offsetOf(lasts, p), end: endOf(ends, p), id: topic.ID, cluster: ids.Cluster}
		if err := cmp.Or(topic.Err, s.end.Err, s.first.Err, s.last.Err); err != nil {
			f.putOff(p, err)
			continue
		}
		seen[p] = s
	}
	return seen, nil
}

func offsetOf(answer *wire.Offsets, p *partition) wire.Offset {
	o, ok := answer.Found[p.name()]
	if !ok || o.Err == nil && o.Offset < 0 {
		o.Err = kafka.OffsetNotAvailable
	}
	return o
}

// endOf returns the end of p's epoch; if it is not known, it has an offset of -1, or an epoch above the
// one asked for.
func endOf(answer *wire.EpochEnds, p *partition) wire.Offset {
	if o, ok := answer.Ends[p.name()]; ok {
		return o
	}
	return wire.Offset{Offset: -1, Epoch: -1}
}

// begin has p read from its end on, or its first offset.
func (p *partition) begin(s sight) {
	p.epoch = s.last.Epoch
	p.recognize(s)
	p.end.Store(s.last.Offset)
	if p.place == atEnd {
		p.offset.Store(s.last.Offset)
	}
	p.place = known
}

// recognize keeps what tells p's log from others.
func (p *partition) recognize(s sight) {
	if s.id != (wire.TopicID{}) {
		p.id = s.id
	}
	if s.cluster != "" {
		p.cluster = s.cluster
	}
}

// relocate decides where to go on in a log that may not be the one it was.
//
// A log that does not have all that was read of it was either deleted with its topic, which was made
// again, and then all of it is new; or its end was lost, with a leader that did not have it, and then
// what is left is old, and what came after is new. The topic's identity tells which, and that a log
// is another one though it has more than was read of the old one. Another cluster that took the place
// of the old one has logs with a past of their own, such as mirrors: none of that is new.
func (f *fetcher) relocate(p *partition, s sight) {
	at, log := p.offset.Load(), f.tail.log.With("topic", p.topic, "partition", p.number)
	cut := s.end.Offset >= 0 && s.end.Epoch <= p.epoch && s.end.Offset < at
	moved := p.cluster != "" && s.cluster != "" && p.cluster != s.cluster
	again := !moved && p.madeAgain(s, cut)
	to := at
	switch {
	case moved:
		to = s.last.Offset
		f.tail.gaps.Add(1)
		log.Warn("the brokers are another cluster now; the partition is read from its end", "offset", at, "from", to, "cluster", s.cluster)
	case again:
		to = s.first.Offset
		f.tail.gaps.Add(1)
		log.Warn("the partition was made again; it is read from its first offset", "offset", at, "first", to)
	case at < s.first.Offset:
		to = s.first.Offset
		f.tail.gaps.Add(1)
		f.tail.missed.Add(uint64(to - at))
		log.Warn("records were removed before this node had read them", "offset", at, "first", to, "missed", to-at)
	case cut:
		to = max(s.first.Offset, s.end.Offset)
		f.tail.gaps.Add(1)
		log.Warn("the partition has lost records that were read; what came in their place is read", "offset", at, "from", to)
	case at > s.last.Offset:
		to = s.last.Offset
		f.tail.gaps.Add(1)
		log.Warn("the partition has lost its end; it is read from where it ends now", "offset", at, "from", to)
	}
	if p.epoch = max(p.epoch, p.later, s.last.Epoch); again || moved {
		p.epoch = s.last.Epoch
	}
	p.place, p.returned, p.later = known, false, -1
	p.recognize(s)
	p.end.Store(s.last.Offset)
	p.offset.Store(to)
}

// madeAgain reports whether p's topic is another one than before. Brokers before Kafka 3.0 don't tell
// their identities; then it shows in a log that has become shorter though no other leader was
// elected, or though the topic was away. One that has more than was read of the old one passes for it
// there: better than to deliver all of an old log again.
func (p *partition) madeAgain(s sight, cut bool) bool {
	if unknown := (wire.TopicID{}); p.id != unknown && s.id != unknown {
		return p.id != s.id
	}
	shorter := p.offset.Load() > s.last.Offset
	return p.returned && cut || shorter && (p.returned || s.last.Epoch <= p.epoch)
}
