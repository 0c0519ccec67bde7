package kafkabus

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// topicID is what tells a topic from another one that had its name before. All zero is unknown.
type topicID [16]byte

// identity is what a broker says of a topic.
type identity struct {
	id  topicID
	err error // of this topic alone
}

// topicIDs asks for the identities of topics, and is the answer too. It is a metadata request in a
// version that kafka-go does not know. Of a broker that does not offer it nothing is asked, and the
// answer is empty.
type topicIDs struct {
	topics  []string
	found   map[string]identity
	cluster string // empty for unknown
}

// topicIDsVersion is of Kafka 3.0.
const topicIDsVersion = 11

// topicIDs returns the identities of the partitions' topics, by name, and of their cluster.
func (f *fetcher) topicIDs(parts []*partition) (*topicIDs, error) {
	ctx, cancel := context.WithTimeout(f.round, answerTimeout)
	defer cancel()
	t := &topicIDs{found: make(map[string]identity)}
	seen := make(map[string]bool)
	for _, p := range parts {
		if !seen[p.topic] {
			seen[p.topic] = true
			t.topics = append(t.topics, p.topic)
		}
	}
	if _, err := f.ask(ctx, t, nil); err != nil {
		return nil, fmt.Errorf("ask for the topics: %w", err)
	}
	return t, nil
}

// ApiKey implements protocol.Message.
func (t *topicIDs) ApiKey() protocol.ApiKey { return protocol.Metadata }

func (*topicIDs) version() int16 { return topicIDsVersion }

// appendTo appends what follows the head, in the compact encoding: lengths are varints, one more
// than they are, and 0 ends a structure, which has no tagged fields.
func (t *topicIDs) appendTo(b []byte) []byte {
	b = append(b, 0)
	b = binary.AppendUvarint(b, uint64(len(t.topics)+1))
	for _, topic := range t.topics {
		b = append(b, make([]byte, len(topicID{}))...) // it is asked for by name
		b = binary.AppendUvarint(b, uint64(len(topic)+1))
		b = append(b, topic...)
		b = append(b, 0)
	}
	return append(b, 0, 0, 0) // no creation of topics, no authorized operations
}

func (t *topicIDs) parse(body []byte, x *exchange) error {
	w := wire{b: body}
	if err := x.checkID(w.int32()); err != nil {
		return err
	}
	w.tags()
	w.int32() // throttled
	for brokers := w.length(); brokers > 0 && !w.bad; brokers-- {
		w.int32()
		w.bytes(w.length()) // host
		w.int32()
		w.bytes(w.length()) // rack
		w.tags()
	}
	t.cluster = string(w.bytes(w.length()))
	w.int32() // controller
	for topics := w.length(); topics > 0 && !w.bad; topics-- {
		t.parseTopic(&w)
	}
	if w.bad {
		return errShort(body)
	}
	return nil
}

func (t *topicIDs) parseTopic(w *wire) {
	var i identity
	if code := kafka.Error(w.int16()); code != 0 {
		i.err = code
	}
	name := string(w.bytes(w.length()))
	copy(i.id[:], w.bytes(int64(len(i.id))))
	w.int8() // internal
	for partitions := w.length(); partitions > 0 && !w.bad; partitions-- {
		w.int16()
		w.bytes(4 + 4 + 4) // number, leader and its epoch
		for range 3 {      // replicas, of which in sync, of which offline
			w.bytes(4 * w.length())
		}
		w.tags()
	}
	w.int32() // authorized operations
	w.tags()
	t.found[name] = i
}
