package wire

import (
	"encoding/binary"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// TopicID is what tells a topic from another one that had its name before. All zero is unknown.
type TopicID [16]byte

// Topic is what a broker says of one.
type Topic struct {
	ID  TopicID
	Err error // of this topic alone
}

// TopicIDsVersion is the version of the metadata protocol that TopicIDs speaks, of Kafka 3.0.
const TopicIDsVersion = 11

// TopicIDs asks for the identities of topics. It is a metadata request in a version that kafka-go
// does not know. Of a broker that does not offer it nothing is asked, and the answer is empty.
type TopicIDs struct {
	Found   map[string]Topic
	Cluster string // its id, empty for unknown

	topics []string
}

// NewTopicIDs returns the question for topics.
func NewTopicIDs(topics []string) *TopicIDs {
	return &TopicIDs{topics: topics, Found: make(map[string]Topic)}
}

// ApiKey implements protocol.Message.
func (*TopicIDs) ApiKey() protocol.ApiKey { return protocol.Metadata }

func (t *TopicIDs) exchange(rw io.ReadWriter, x *Exchange) error {
	return x.askNew(rw, TopicIDsVersion, t.body(), t.parse)
}

// body is in the compact encoding: lengths are varints, one more than they are, and 0 ends a
// structure, which has no tagged fields. The first one ends the head.
func (t *TopicIDs) body() []byte {
	b := binary.AppendUvarint([]byte{0}, uint64(len(t.topics)+1))
	for _, topic := range t.topics {
		b = append(b, make([]byte, len(TopicID{}))...) // it is asked for by name
		b = binary.AppendUvarint(b, uint64(len(topic)+1))
		b = append(b, topic...)
		b = append(b, 0)
	}
	return append(b, 0, 0, 0) // no creation of topics, no authorized operations
}

func (t *TopicIDs) parse(r *reader) {
	r.tags()
	r.int32() // throttled
	r.each(r.length(), func() {
		r.int32()           // id of a broker
		r.bytes(r.length()) // host
		r.int32()
		r.bytes(r.length()) // rack
		r.tags()
	})
	t.Cluster = string(r.bytes(r.length()))
	r.int32() // controller
	r.each(r.length(), func() { t.parseTopic(r) })
}

func (t *TopicIDs) parseTopic(r *reader) {
	topic := Topic{Err: errorOf(r.int16())}
	name := string(r.bytes(r.length()))
	copy(topic.ID[:], r.bytes(int64(len(topic.ID))))
	r.int8() // internal
	r.each(r.length(), func() {
		r.int16()
		r.bytes(4 + 4 + 4) // number, leader and its epoch
		for range 3 {      // replicas, of which in sync, of which offline
			r.bytes(4 * r.length())
		}
		r.tags()
	})
	r.int32() // authorized operations
	r.tags()
	t.Found[name] = topic
}

// errorOf returns the error that a code stands for, nil for none.
func errorOf(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}
