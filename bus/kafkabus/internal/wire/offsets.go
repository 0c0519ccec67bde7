package wire

import (
	"io"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// Which offset to list, as the protocol has it: a time before all others.
const (
	FirstOffset int64 = -2 // of the oldest record that is left
	LastOffset  int64 = -1 // that the next record will have
)

// Partition names a partition in an answer.
type Partition struct {
	Topic  string
	Number int32
}

// Offset is an answer about one partition.
type Offset struct {
	Offset int64
	Epoch  int32 // of the leader; -1 if it did not say
	Err    error // of this partition alone
}

// Offsets asks for an offset of each of some partitions.
type Offsets struct {
	Found map[Partition]Offset

	request *listoffsets.Request
}

// NewOffsets returns the question for partitions, which are in the order of their topics.
func NewOffsets(partitions []Partition, which int64) *Offsets {
	req := &listoffsets.Request{ReplicaID: -1}
	for _, p := range partitions {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != p.Topic {
			req.Topics = append(req.Topics, listoffsets.RequestTopic{Topic: p.Topic})
		}
		topic := &req.Topics[len(req.Topics)-1]
		topic.Partitions = append(topic.Partitions, listoffsets.RequestPartition{
			Partition:          p.Number,
			CurrentLeaderEpoch: -1,
			Timestamp:          which,
		})
	}
	return &Offsets{request: req, Found: make(map[Partition]Offset)}
}

// ApiKey implements protocol.Message.
func (o *Offsets) ApiKey() protocol.ApiKey { return protocol.ListOffsets }

func (o *Offsets) exchange(rw io.ReadWriter, x *Exchange) error {
	if err := x.ask(rw, o.request); err != nil {
		return err
	}
	return x.answer(rw, func(r *reader) { o.parse(r, x.version()) })
}

func (o *Offsets) parse(r *reader, version int16) {
	if version >= 2 {
		r.int32() // throttled
	}
	r.each(int64(r.int32()), func() {
		topic := string(r.text())
		r.each(int64(r.int32()), func() {
			number := r.int32()
			p := Offset{Epoch: -1, Err: errorOf(r.int16())}
			r.int64() // time
			p.Offset = r.int64()
			if version >= 4 {
				p.Epoch = r.int32()
			}
			o.Found[Partition{topic, number}] = p
		})
	})
}
