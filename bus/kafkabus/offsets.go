package kafkabus

import (
	"cmp"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// topicID is what tells a topic from another one that had its name before. All zero is unknown.
type topicID = [16]byte

// mark is an offset, and the epoch of the leader that has to do with it, -1 if it is not known.
type mark struct {
	offset int64
	epoch  int32
}

// sight is what a broker says of one partition.
type sight struct {
	first, last mark
	end         mark // of the epoch of the last record read, with that epoch; the offset is -1 if it is not known
	id          topicID
	cluster     string // empty if it is not known
	err         error
}

// spot names a partition in an answer.
type spot struct {
	topic  string
	number int32
}

// Which offset to list, as the protocol has it: a time before all others.
const (
	firstOffset = -2 // of the oldest record that is left
	lastOffset  = -1 // that the next record will have
)

// topicIDsVersion is the version of the metadata protocol that is asked for identities, of Kafka 3.0.
const topicIDsVersion = 11

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
		switch s := seen[p.spot()]; {
		case s.err != nil:
			f.putOff(p, s.err)
		case p.place == unsure:
			f.relocate(p, *s)
		default:
			p.begin(*s)
		}
	}
	return nil
}

func (p *partition) spot() spot { return spot{p.topic, int32(p.number)} }

// look asks the broker for all that it can say about the partitions.
func (f *fetcher) look(parts []*partition) (map[spot]*sight, error) {
	seen := make(map[spot]*sight)
	for _, p := range parts {
		seen[p.spot()] = &sight{first: mark{-1, -1}, last: mark{-1, -1}, end: mark{-1, -1}}
	}
	for _, ask := range []func([]*partition, map[spot]*sight) error{
		f.identify,
		f.findEnds,
		f.list(firstOffset, func(s *sight) *mark { return &s.first }),
		f.list(lastOffset, func(s *sight) *mark { return &s.last }),
	} {
		if err := ask(parts, seen); err != nil {
			return nil, err
		}
	}
	for _, s := range seen {
		if min(s.first.offset, s.last.offset) < 0 {
			s.err = cmp.Or(s.err, error(kafka.OffsetNotAvailable))
		}
	}
	return seen, nil
}

// inquire asks the broker in the version of the request, or an older one down to least. Of a broker that offers
// none of these nothing is asked, and the answer is nil.
func (f *fetcher) inquire(what string, request kmsg.Request, least int16) (kmsg.Response, error) {
	q := &wire.Inquiry{Request: request, Least: least}
	if err := f.ask(q, answerTimeout); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return q.Answer, nil
}

// identify asks for the identities of topics and cluster.
func (f *fetcher) identify(parts []*partition, seen map[spot]*sight) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = topicIDsVersion
	for _, p := range parts {
		if n := len(req.Topics); n == 0 || *req.Topics[n-1].Topic != p.topic {
			req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: &p.topic})
		}
	}
	answer, err := f.inquire("ask for the topics", req, topicIDsVersion)
	res, known := answer.(*kmsg.MetadataResponse)
	if !known {
		return err
	}
	for spot, s := range seen {
		if res.ClusterID != nil {
			s.cluster = *res.ClusterID
		}
		for _, t := range res.Topics {
			if t.Topic != nil && *t.Topic == spot.topic {
				s.id, s.err = t.TopicID, cmp.Or(s.err, wire.ErrorOf(t.ErrorCode))
			}
		}
	}
	return nil
}

// findEnds asks where the epoch of the last record read ends in each partition's log. If a leader was
// elected that had not all of an epoch, that is before the offset that this node has come to, and what
// lies behind it has changed. Brokers tell that since Kafka 2.3.
func (f *fetcher) findEnds(parts []*partition, seen map[spot]*sight) error {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.Version, req.ReplicaID = 3, -1 // a consumer
	for _, p := range parts {
		asked := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		asked.Partition, asked.LeaderEpoch = int32(p.number), p.epoch
		req.Topics = append(req.Topics, kmsg.OffsetForLeaderEpochRequestTopic{
			Topic: p.topic, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{asked},
		})
	}
	answer, err := f.inquire("ask for the ends of epochs", req, req.Version)
	res, known := answer.(*kmsg.OffsetForLeaderEpochResponse)
	if !known {
		return err
	}
	for _, t := range res.Topics {
		for _, a := range t.Partitions {
			if s := seen[spot{t.Topic, a.Partition}]; s != nil {
				s.end, s.err = mark{a.EndOffset, a.LeaderEpoch}, cmp.Or(s.err, wire.ErrorOf(a.ErrorCode))
			}
		}
	}
	return nil
}

// list asks for an offset of each partition, which goes to a place in what is seen of it.
func (f *fetcher) list(which int64, place func(*sight) *mark) func([]*partition, map[spot]*sight) error {
	return func(parts []*partition, seen map[spot]*sight) error {
		req := kmsg.NewPtrListOffsetsRequest()
		req.Version = 5
		for _, p := range parts {
			asked := kmsg.NewListOffsetsRequestTopicPartition()
			asked.Partition, asked.Timestamp = int32(p.number), which
			req.Topics = append(req.Topics, kmsg.ListOffsetsRequestTopic{
				Topic: p.topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{asked},
			})
		}
		answer, err := f.inquire("list offsets", req, 1)
		res, known := answer.(*kmsg.ListOffsetsResponse)
		if !known {
			return err
		}
		for _, t := range res.Topics {
			for _, a := range t.Partitions {
				if s := seen[spot{t.Topic, a.Partition}]; s != nil {
					*place(s), s.err = mark{a.Offset, a.LeaderEpoch}, cmp.Or(s.err, wire.ErrorOf(a.ErrorCode))
				}
			}
		}
		return nil
	}
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
