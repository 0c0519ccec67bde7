package wire

import (
	"encoding/binary"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// Epoch asks for the end of an epoch of a partition.
type Epoch struct {
	Partition
	Number int32
}

// EpochEnds asks where the epoch of the last record read ends in each partition's log. If a leader
// was elected that had not all of an epoch, that is before the offset that this node has come to, and
// what lies behind it has changed. See OffsetForLeaderEpoch in Kafka's protocol. Of a broker that
// does not offer it nothing is asked, and the answer is empty.
type EpochEnds struct {
	Ends map[Partition]Offset // the epoch of each is that which ends there

	epochs []Epoch
}

// epochEndsVersion is of Kafka 2.3.
const epochEndsVersion = 3

// NewEpochEnds returns the question for epochs, each in a partition of its own.
func NewEpochEnds(epochs []Epoch) *EpochEnds {
	return &EpochEnds{epochs: epochs, Ends: make(map[Partition]Offset)}
}

// ApiKey implements protocol.Message.
func (*EpochEnds) ApiKey() protocol.ApiKey { return protocol.OffsetForLeaderEpoch }

func (e *EpochEnds) exchange(rw io.ReadWriter, x *Exchange) error {
	return x.askNew(rw, epochEndsVersion, e.body(), e.parse)
}

func (e *EpochEnds) body() []byte {
	const nothing = ^uint32(0)                       // -1
	b := binary.BigEndian.AppendUint32(nil, nothing) // replica: a consumer
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.epochs)))
	for _, p := range e.epochs { // each in a topic of its own
		b = appendText(b, p.Topic)
		b = binary.BigEndian.AppendUint32(b, 1)
		b = binary.BigEndian.AppendUint32(b, uint32(p.Partition.Number))
		b = binary.BigEndian.AppendUint32(b, nothing) // current epoch: not to be checked
		b = binary.BigEndian.AppendUint32(b, uint32(p.Number))
	}
	return b
}

func (e *EpochEnds) parse(r *reader) {
	r.int32() // throttled
	r.each(int64(r.int32()), func() {
		topic := string(r.text())
		r.each(int64(r.int32()), func() {
			end := Offset{Err: errorOf(r.int16())}
			number := r.int32()
			end.Epoch = r.int32()
			end.Offset = r.int64()
			e.Ends[Partition{topic, number}] = end
		})
	})
}
