package kafkabus

import "github.com/segmentio/kafka-go"

// record is a Kafka record as it was read.
type record struct {
	topic     string
	partition int
	offset    int64
	key       []byte // nil for none
	value     []byte // nil for a tombstone
	headers   []kafka.Header
	crowded   bool // it has more headers than maxHeaders, which were not read
}

// origin is who published a record, and as the how-manieth to its partition. The node of a foreign
// producer's record is empty.
type origin struct {
	node string
	seq  uint64
}
