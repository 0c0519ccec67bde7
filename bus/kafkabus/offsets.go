package kafkabus

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus"
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
	listed      int64     // when the record was published that was listed last, in Unix milliseconds; -1 if it is not known
	young       mark      // of the first record that is young enough; the offset is -1 for none
	past        mark      // where to begin, to have the past; the offset is -1 if that is the end
	since       time.Time // what was published from then on lies behind past
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
		unknown := mark{-1, -1}
		seen[p.spot()] = &sight{first: unknown, last: unknown, end: unknown, past: unknown, young: unknown}
	}
	for _, ask := range []func([]*partition, map[spot]*sight) error{
		f.identify,
		f.findEnds,
		f.list(firstOffset, func(s *sight) *mark { return &s.first }),
		f.list(lastOffset, func(s *sight) *mark { return &s.last }),
		f.findPast,
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
					*place(s), s.listed = mark{a.Offset, a.LeaderEpoch}, a.Timestamp
					s.err = cmp.Or(s.err, wire.ErrorOf(a.ErrorCode))
				}
			}
		}
		return nil
	}
}

// begin has p read from its end on, from where the past begins that is to be read before, or from its first offset.
func (p *partition) begin(s sight) {
	p.epoch = s.last.epoch
	p.recognize(s)
	p.end.Store(s.last.offset)
	switch {
	case p.place == atFirst:
		p.open(p.offset.Load(), time.Time{}, mark{0, -1})
	case s.past.offset >= 0:
		p.open(s.past.offset, s.since, s.last)
	case s.last.offset == 0: // nothing has ever been in it
		p.open(0, time.Time{}, s.last, s.last)
	default:
		p.open(s.last.offset, time.Now(), s.last, s.last)
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
	kept := p.kept(s.end)
	cut := s.end.offset >= 0 && s.end.epoch <= p.epoch && kept < at
	moved := p.cluster != "" && s.cluster != "" && p.cluster != s.cluster
	again := !moved && p.madeAgain(s, cut)
	if p.epoch = max(p.epoch, p.later, s.last.epoch); again || moved {
		p.epoch = s.last.epoch
	}
	named := p.window.log != 0
	if moved {
		p.id = topicID{}
	}
	p.recognize(s)
	p.end.Store(s.last.offset)
	switch {
	case moved:
		f.tail.gaps.Add(1)
		log.Warn("the brokers are another cluster now; the partition is read from its end", "offset", at, "from", s.last.offset, "cluster", s.cluster)
		f.exchange(p, s.last, s.last)
	case again:
		f.tail.gaps.Add(1)
		log.Warn("the partition was recreated; it is read from its first offset", "offset", at, "first", s.first.offset)
		f.exchange(p, s.first)
	case at < s.first.offset:
		f.tail.gaps.Add(1)
		f.tail.missed.Add(uint64(s.first.offset - at))
		log.Warn("records were removed before this node had read them", "offset", at, "first", s.first.offset, "missed", s.first.offset-at)
		f.tail.lose(p, s.first.offset)
	case cut:
		to := max(s.first.offset, kept)
		f.tail.gaps.Add(1)
		log.Warn("the partition has lost records that were read; what came in their place is read", "offset", at, "from", to)
		p.goBack(mark{kept, p.epoch})
		if to > kept {
			f.tail.lose(p, to)
		}
	case at > s.last.offset:
		f.tail.gaps.Add(1)
		log.Warn("the partition has lost its end; it is read from where it ends now", "offset", at, "from", s.last.offset)
		p.goBack(mark{s.last.offset, p.epoch})
	case !named && p.id != (topicID{}): // the brokers have been renewed
		p.open(at, time.Now(), mark{at, -1})
	case s.end.offset >= 0 && s.end.epoch <= p.epoch:
		p.endPast(s.end.offset) // the end of the past may be lost, too
	}
	p.place, p.returned, p.later = known, false, -1
}

// exchange has p go on in another log that has taken the place of its own. All partitions of a topic do so, one after the other, and that is
// one event: the topic's identity stands for it.
func (f *fetcher) exchange(p *partition, at mark, epochs ...mark) {
	was := p.window.log
	p.seen.cutAway()
	p.open(at.offset, time.Now(), mark{at.offset, -1}, epochs...)
	f.tail.tellHole(bus.Position{Log: was, Offset: bus.Ended}, binary.BigEndian.Uint32(p.id[:]))
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
