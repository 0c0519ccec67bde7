package form

import (
	"slices"
	"strconv"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// Format is the form of the records that a node writes. It reads both.
type Format string

const (
	// Headers has the body as the record's value, and all else in record headers (headers.go). It
	// carries any bytes.
	Headers Format = "headers"
	// JSON is the form of the replaced system (json.go). It carries UTF-8.
	JSON Format = "json"
	// Plain is the form of what backends read, and no node: the destination is the key, the body the value, and the headers are the record's.
	Plain Format = "plain"
)

// The record headers of both forms that say who published a record: the name of the node, and the
// record's number among that node's in the partition, in decimal digits, from 1. Behind them, where subscribers
// see it, who sent it.
const (
	NodeHeader   = "node"
	SeqHeader    = "seq"
	MemberHeader = "stomp-member"
)

// MaxNode bounds the name of a node, in bytes: readers keep it.
const MaxNode = 64

// maxSeq is how many digits a seq has at most.
const maxSeq = 20

// Check returns an error that wraps bus.ErrContent for what records of this form can't hold.
func (f Format) Check(e *bus.Envelope) error {
	if f == JSON {
		return checkJSON(e)
	}
	return nil
}

// Key returns what the partition follows from.
func (f Format) Key(e *bus.Envelope) []byte { return []byte(addressee(e)) }

// addressee returns the principal of an individual envelope, else the destination.
func addressee(e *bus.Envelope) string {
	if e.Principal != "" {
		return e.Principal
	}
	return e.Destination
}

// Encode returns the record that carries e as number seq of node. kafka-go consumes a record's key
// and value as it writes them, so each attempt needs a record of its own.
func (f Format) Encode(e *bus.Envelope, node string, seq uint64) kafka.Record {
	value := e.Body
	if f == JSON {
		value = jsonValue(e)
	}
	if value == nil {
		value = []byte{} // nil would make it a tombstone
	}
	return kafka.Record{Key: kafka.NewBytes(f.Key(e)), Value: kafka.NewBytes(value), Headers: f.headers(e, node, strconv.FormatUint(seq, 10))}
}

// Size returns how many bytes the record that carries e takes in a batch, beside the 61 of the
// batch itself. It may say too many, by what node and seq fall short of their bounds, but never too
// few.
func (f Format) Size(e *bus.Envelope) int {
	value := len(e.Body)
	if f == JSON {
		value = jsonValueSize(e)
	}
	size := recordHead + sizeOf(len(addressee(e))) + sizeOf(value)
	ours, n, prefix := f.ours(e, "", "")
	if n > 0 {
		size += headerSize(len(NodeHeader), MaxNode) + headerSize(len(SeqHeader), maxSeq)
	}
	for _, entry := range ours[min(n, 2):n] {
		size += headerSize(len(entry.Name), len(entry.Value))
	}
	for _, entry := range e.Headers {
		size += headerSize(len(prefix)+len(entry.Name), len(entry.Value))
	}
	return size
}

// Origin is who published a record, and its number among that node's records in the partition. The node
// of a foreign producer's record is empty.
type Origin struct {
	Node string
	Seq  uint64
}

// Decode returns what a record of either form carries, and who published it. The body may alias the
// record's value. An error is in words for an operator, and quotes nothing of the record.
func Decode(rec *wire.Record) (bus.Envelope, Origin, error) {
	if slices.ContainsFunc(rec.Headers, func(h kafka.Header) bool { return h.Key == DestinationHeader }) {
		return decodePlain(rec)
	}
	return decodeJSON(rec)
}

// originOf returns what the first two headers say if they are node and seq, as on all records of
// ours, and make sense. Else it is zero: foreign producers may use these names for something else.
func originOf(headers []kafka.Header) Origin {
	if len(headers) < 2 || headers[0].Key != NodeHeader || headers[1].Key != SeqHeader {
		return Origin{}
	}
	node, seq := headers[0].Value, headers[1].Value
	if len(node) == 0 || len(node) > MaxNode || len(seq) > maxSeq {
		return Origin{}
	}
	n, err := strconv.ParseUint(string(seq), 10, 64)
	if err != nil || n == 0 {
		return Origin{}
	}
	return Origin{string(node), n}
}
