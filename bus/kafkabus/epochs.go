package kafkabus

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// epochEnds asks where the epoch of the last record read ends in each partition's log, and is the
// answer too. If a leader was elected that had not all of an epoch, that is before the offset that
// this node has come to, and what lies behind it has changed. See OffsetForLeaderEpoch in Kafka's
// protocol. Of a broker that does not offer it nothing is asked, and the answer is empty.
type epochEnds struct {
	asked []askedEpoch
	ends  map[partitionName]listed // the epoch of each is that which ends there
}

type askedEpoch struct {
	partitionName
	epoch int32
}

// partitionName names a partition in an answer.
type partitionName struct {
	topic  string
	number int32
}

// epochEndsVersion is of Kafka 2.3.
const epochEndsVersion = 3

// epochEnds returns the end of each partition's epoch; those that are not known have an offset of
// -1, or an epoch above the one asked for.
func (f *fetcher) epochEnds(parts []*partition) (map[*partition]listed, error) {
	ctx, cancel := context.WithTimeout(f.round, answerTimeout)
	defer cancel()
	e := &epochEnds{ends: make(map[partitionName]listed)}
	for _, p := range parts {
		e.asked = append(e.asked, askedEpoch{p.name(), p.epoch})
	}
	if _, err := f.ask(ctx, e, nil); err != nil {
		return nil, fmt.Errorf("ask for the ends of epochs: %w", err)
	}
	found := make(map[*partition]listed, len(parts))
	for _, p := range parts {
		l, ok := e.ends[p.name()]
		if !ok {
			l = listed{offset: -1, epoch: -1}
		}
		found[p] = l
	}
	return found, nil
}

// ApiKey implements protocol.Message.
func (e *epochEnds) ApiKey() protocol.ApiKey { return protocol.OffsetForLeaderEpoch }

func (*epochEnds) version() int16 { return epochEndsVersion }

func (e *epochEnds) appendTo(b []byte) []byte {
	const nothing = ^uint32(0)                    // -1
	b = binary.BigEndian.AppendUint32(b, nothing) // replica: a consumer
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.asked)))
	for _, p := range e.asked { // each in a topic of its own
		b = appendText(b, p.topic)
		b = binary.BigEndian.AppendUint32(b, 1)
		b = binary.BigEndian.AppendUint32(b, uint32(p.number))
		b = binary.BigEndian.AppendUint32(b, nothing) // current epoch: not to be checked
		b = binary.BigEndian.AppendUint32(b, uint32(p.epoch))
	}
	return b
}

func (e *epochEnds) parse(body []byte, x *exchange) error {
	w := wire{b: body}
	if err := x.checkID(w.int32()); err != nil {
		return err
	}
	w.int32() // throttled
	for topics := w.int32(); topics > 0 && !w.bad; topics-- {
		topic := string(w.bytes(int64(w.int16())))
		for partitions := w.int32(); partitions > 0 && !w.bad; partitions-- {
			var end listed
			if code := kafka.Error(w.int16()); code != 0 {
				end.err = code
			}
			number := w.int32()
			end.epoch = w.int32()
			end.offset = w.int64()
			e.ends[partitionName{topic, number}] = end
		}
	}
	if w.bad {
		return errShort(body)
	}
	return nil
}
