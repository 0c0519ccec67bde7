package kafkabus

import (
	"strconv"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
)

// Format is the form of the records that a node writes. It reads both.
type Format string

const (
	// Headers has the body as the record's value, and all else in record headers (headers.go). It
	// carries any bytes.
	Headers Format = "headers"
	// JSON is the form of the replaced system (json.go). It carries UTF-8.
	JSON Format = "json"
)

// The record headers of both forms that say who published a record: the name of the node, and how
// many records that node had published to the partition with this one, in decimal digits, from 1.
const (
	nodeHeader = "node"
	seqHeader  = "seq"
)

// maxNode bounds the name of a node, in bytes: readers keep it.
const maxNode = 64

// maxSeq is how many digits a seq has at most.
const maxSeq = 20

// check returns an error that wraps bus.ErrContent for what records of this form can't hold.
func (f Format) check(e *bus.Envelope) error {
	if f == JSON {
		return checkJSON(e)
	}
	return nil
}

// key returns what the partition follows from.
func (f Format) key(e *bus.Envelope) []byte { return []byte(addressee(e)) }

// addressee returns the principal of an individual envelope, else the destination.
func addressee(e *bus.Envelope) string {
	if e.Principal != "" {
		return e.Principal
	}
	return e.Destination
}

// encode returns the record that carries e as number seq of node. kafka-go consumes a record's key
// and value as it writes them, so each attempt needs a record of its own.
func (f Format) encode(e *bus.Envelope, node string, seq uint64) kafka.Record {
	value, headers := e.Body, []kafka.Header(nil)
	if f == JSON {
		value, headers = jsonValue(e), jsonHeaders(e, node, seq)
	} else {
		headers = plainHeaders(e, node, seq)
	}
	if value == nil {
		value = []byte{} // nil would make it a tombstone
	}
	return kafka.Record{Key: kafka.NewBytes(f.key(e)), Value: kafka.NewBytes(value), Headers: headers}
}

// size returns how many bytes the record that carries e takes in a batch, beside the 61 of the
// batch itself. It may say too many, by what node and seq fall short of their bounds, but never too
// few.
func (f Format) size(e *bus.Envelope) int {
	size := recordHead + sizeOf(len(addressee(e)))
	size += headerSize(len(nodeHeader), maxNode) + headerSize(len(seqHeader), maxSeq)
	if f == JSON {
		return size + jsonSize(e)
	}
	return size + plainSize(e)
}

// decode returns what a record of either form carries, and who published it. The body may alias the
// record's value. An error is in words for an operator, and quotes nothing of the record.
func decode(rec *record) (bus.Envelope, origin, error) {
	for _, h := range rec.headers {
		if h.Key == destinationHeader {
			return decodePlain(rec)
		}
	}
	return decodeJSON(rec)
}

// originOf returns what the first two headers say if they are node and seq, as on all records of
// ours, and make sense. Else it is zero: foreign producers may use these names for something else.
func originOf(headers []kafka.Header) origin {
	if len(headers) < 2 || headers[0].Key != nodeHeader || headers[1].Key != seqHeader {
		return origin{}
	}
	node, seq := headers[0].Value, headers[1].Value
	if len(node) == 0 || len(node) > maxNode || len(seq) > maxSeq {
		return origin{}
	}
	n, err := strconv.ParseUint(string(seq), 10, 64)
	if err != nil || n == 0 {
		return origin{}
	}
	return origin{string(node), n}
}
