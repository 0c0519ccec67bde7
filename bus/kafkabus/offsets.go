package kafkabus

import (
	"context"
	"errors"
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

// locate finds where to read on, of those among the partitions of which that is not known.
func (f *fetcher) locate(parts []*partition) error {
	var fresh, others []*partition
	for _, p := range parts {
		switch p.place {
		case known:
		case atEnd:
			fresh = append(fresh, p)
		default:
			others = append(others, p)
		}
	}
	if len(fresh) > 0 {
		lasts, err := f.list(fresh, lastOffset)
		if err != nil {
			return err
		}
		for _, p := range fresh {
			f.begin(p, lasts[p])
		}
		f.tail.located()
	}
	if len(others) > 0 {
		return f.relocateAll(others)
	}
	return nil
}

// begin has p read from its end on.
func (f *fetcher) begin(p *partition, last listed) {
	if last.err != nil {
		f.putOff(p, fmt.Errorf("list offsets: %w", last.err))
		return
	}
	p.place, p.epoch = known, last.epoch
	p.end.Store(last.offset)
	p.offset.Store(last.offset)
}

func (f *fetcher) relocateAll(parts []*partition) error {
	ends, err := f.epochEnds(parts)
	if err != nil {
		return err
	}
	firsts, err := f.list(parts, firstOffset)
	if err != nil {
		return err
	}
	lasts, err := f.list(parts, lastOffset)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := errors.Join(ends[p].err, firsts[p].err, lasts[p].err); err != nil {
			f.putOff(p, err)
			continue
		}
		f.relocate(p, firsts[p], lasts[p], ends[p])
	}
	return nil
}

// relocate decides where to go on in a log that may not be the one it was. It goes from first to
// last; end is where p's epoch ends in it.
//
// A log that does not have all that was read of it was either deleted and made again, and then all
// of it is new; or its end was lost, with a leader that did not have it, and then what is left is
// old, and what came after is new. The second kind was there all the time and has a later epoch. What can't
// be told is a log that was made again, has more than was read of the old one, and no lower epoch.
func (f *fetcher) relocate(p *partition, first, last, end listed) {
	at, log := p.offset.Load(), f.tail.log.With("topic", p.topic, "partition", p.number)
	cut := end.offset >= 0 && end.epoch <= p.epoch && end.offset < at
	again := last.epoch < p.epoch || p.returned && cut || at > last.offset && (p.returned || last.epoch == p.epoch)
	to := at
	switch {
	case again:
		to = first.offset
		f.tail.gaps.Add(1)
		log.Warn("the partition was made again; it is read from its first offset", "offset", at, "first", to)
	case at < first.offset:
		to = first.offset
		f.tail.gaps.Add(1)
		f.tail.missed.Add(uint64(to - at))
		log.Warn("records were removed before this node had read them", "offset", at, "first", to, "missed", to-at)
	case cut:
		to = max(first.offset, end.offset)
		f.tail.gaps.Add(1)
		log.Warn("the partition has lost records that were read; what came in their place is read", "offset", at, "from", to)
	case at > last.offset:
		to = last.offset
		f.tail.gaps.Add(1)
		log.Warn("the partition has lost its end; it is read from where it ends now", "offset", at, "from", to)
	case p.returned:
		log.Info("the partition was away and is back; unless it was made again, nothing is missed", "offset", at)
	case p.place == lost: // the broker has changed its mind
		f.putOff(p, kafka.OffsetOutOfRange)
	}
	if p.epoch = max(p.epoch, p.later, last.epoch); again {
		p.epoch = last.epoch
	}
	p.place, p.returned, p.later = known, false, -1
	p.end.Store(last.offset)
	p.offset.Store(to)
}
