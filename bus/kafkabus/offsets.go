package kafkabus

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// Which offset to list, as the protocol has it: a time before all others.
const (
	firstOffset int64 = -2 // of the oldest record that is left
	lastOffset  int64 = -1 // that the next record will have
)

// listed is an answer about one partition.
type listed struct {
	offset int64
	epoch  int32 // of the leader; -1 if it did not say
	err    error // of this partition alone
}

// list asks the broker for an offset of each of the partitions.
func (f *fetcher) list(parts []*partition, which int64) (map[*partition]listed, error) {
	ctx, cancel := context.WithTimeout(f.round, answerTimeout)
	defer cancel()
	req := &listoffsets.Request{ReplicaID: -1}
	for from := 0; from < len(parts); {
		topic := listoffsets.RequestTopic{Topic: parts[from].topic}
		for ; from < len(parts) && parts[from].topic == topic.Topic; from++ {
			topic.Partitions = append(topic.Partitions, listoffsets.RequestPartition{
				Partition:          int32(parts[from].number),
				CurrentLeaderEpoch: -1,
				Timestamp:          which,
			})
		}
		req.Topics = append(req.Topics, topic)
	}
	res, err := f.ask(ctx, req, new(offsets))
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	return res.(*offsets).of(parts), nil
}

// offsets is the answer to a listoffsets.Request.
type offsets struct{ res *listoffsets.Response }

// ApiKey implements protocol.Message.
func (o *offsets) ApiKey() protocol.ApiKey { return protocol.ListOffsets }

func (o *offsets) read(r io.Reader, x *exchange) error {
	id, msg, err := protocol.ReadResponse(r, protocol.ListOffsets, x.version())
	if err != nil {
		return err
	}
	o.res = msg.(*listoffsets.Response)
	if x.version() < 4 {
		o.forgetEpochs()
	}
	return x.checkID(id)
}

// forgetEpochs marks the epochs as unknown.
func (o *offsets) forgetEpochs() {
	for _, t := range o.res.Topics {
		for i := range t.Partitions {
			t.Partitions[i].LeaderEpoch = -1
		}
	}
}

func (o *offsets) of(parts []*partition) map[*partition]listed {
	answers := make(map[partitionName]listed)
	for _, t := range o.res.Topics {
		for _, p := range t.Partitions {
			l := listed{offset: p.Offset, epoch: p.LeaderEpoch}
			if p.ErrorCode != 0 {
				l.err = kafka.Error(p.ErrorCode)
			}
			answers[partitionName{t.Topic, p.Partition}] = l
		}
	}
	found := make(map[*partition]listed, len(parts))
	for _, p := range parts {
		l, ok := answers[p.name()]
		if !ok || l.err == nil && l.offset < 0 {
			l.err = kafka.OffsetNotAvailable
		}
		found[p] = l
	}
	return found
}

// sight is what a broker says of one partition.
type sight struct {
	first, last listed
	end         listed  // of the epoch of the last record read
	id          topicID // all zero if it is not known
	cluster     string  // empty if it is not known
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
	ids, err := f.topicIDs(parts)
	if err != nil {
		return nil, err
	}
	ends, err := f.epochEnds(parts)
	if err != nil {
		return nil, err
	}
	firsts, err := f.list(parts, firstOffset)
	if err != nil {
		return nil, err
	}
	lasts, err := f.list(parts, lastOffset)
	if err != nil {
		return nil, err
	}
	seen := make(map[*partition]sight)
	for _, p := range parts {
		topic := ids.found[p.topic]
		if err := cmp.Or(topic.err, ends[p].err, firsts[p].err, lasts[p].err); err != nil {
			f.putOff(p, err)
			continue
		}
		seen[p] = sight{first: firsts[p], last: lasts[p], end: ends[p], id: topic.id, cluster: ids.cluster}
	}
	return seen, nil
}

// begin has p read from its end on, or its first offset.
func (p *partition) begin(s sight) {
	p.epoch = s.last.epoch
	p.recognize(s)
	p.end.Store(s.last.offset)
	if p.place == atEnd {
		p.offset.Store(s.last.offset)
	}
	p.place = known
}

// recognize keeps what tells p's log from others.
func (p *partition) recognize(s sight) {
	if s.id != (topicID{}) {
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
	cut := s.end.offset >= 0 && s.end.epoch <= p.epoch && s.end.offset < at
	moved := p.cluster != "" && s.cluster != "" && p.cluster != s.cluster
	again := !moved && p.madeAgain(s, cut)
	to := at
	switch {
	case moved:
		to = s.last.offset
		f.tail.gaps.Add(1)
		log.Warn("the brokers are another cluster now; the partition is read from its end", "offset", at, "from", to, "cluster", s.cluster)
	case again:
		to = s.first.offset
		f.tail.gaps.Add(1)
		log.Warn("the partition was made again; it is read from its first offset", "offset", at, "first", to)
	case at < s.first.offset:
		to = s.first.offset
		f.tail.gaps.Add(1)
		f.tail.missed.Add(uint64(to - at))
		log.Warn("records were removed before this node had read them", "offset", at, "first", to, "missed", to-at)
	case cut:
		to = max(s.first.offset, s.end.offset)
		f.tail.gaps.Add(1)
		log.Warn("the partition has lost records that were read; what came in their place is read", "offset", at, "from", to)
	case at > s.last.offset:
		to = s.last.offset
		f.tail.gaps.Add(1)
		log.Warn("the partition has lost its end; it is read from where it ends now", "offset", at, "from", to)
	}
	if p.epoch = max(p.epoch, p.later, s.last.epoch); again || moved {
		p.epoch = s.last.epoch
	}
	p.place, p.returned, p.later = known, false, -1
	p.recognize(s)
	p.end.Store(s.last.offset)
	p.offset.Store(to)
}

// madeAgain reports whether p's topic is another one than before. Brokers before Kafka 3.0 don't tell
// their identities; then it shows in a log that has become shorter though no other leader was
// elected, or though the topic was away. One that has more than was read of the old one passes for it
// there: better than to deliver all of an old log again.
func (p *partition) madeAgain(s sight, cut bool) bool {
	if unknown := (topicID{}); p.id != unknown && s.id != unknown {
		return p.id != s.id
	}
	shorter := p.offset.Load() > s.last.offset
	return p.returned && cut || shorter && (p.returned || s.last.epoch <= p.epoch)
}
