package kafkabus

import (
	"errors"
	"strconv"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
)

// A record of the headers form has the body as its value, and these record headers, in this order:
//
//	node         who published it
//	seq          as the how-manieth, in decimal digits
//	destination  "/topic/chat"
//	principal    of an individual envelope; empty when another header of that name follows
//	...          the sender's own headers, repeated ones too
//
// Whatever follows a beginning like that is the sender's own, whatever its name. A foreign
// producer's record has no such beginning: its headers stand in any order, and destination and
// principal are taken out of them. Of repeated ones the first counts, as in STOMP. A record without a
// value, which only a foreign producer writes, becomes an empty body with tombstone:true.
//
// Kafka says that header names are UTF-8. It keeps other bytes too, but programs in Java, and a
// broker that is set to compress a topic in its own way, replace them.
const (
	destinationHeader = "destination"
	principalHeader   = "principal"
)

// tombstone is the header of a message that was a record without a value, which in a topic that is
// compacted means that its key is no more. It comes before all others, so that it counts.
var tombstone = bus.Header{Name: "tombstone", Value: "true"}

// plainHeaders returns the record headers that carry all of e but its body.
func plainHeaders(e *bus.Envelope, node string, seq uint64) []kafka.Header {
	number := strconv.FormatUint(seq, 10)
	w := newHeaderWriter(e, node, number, e.Destination, e.Principal)
	w.add(nodeHeader, node)
	w.add(seqHeader, number)
	w.add(destinationHeader, e.Destination)
	if needsPrincipal(e) {
		w.add(principalHeader, e.Principal)
	}
	for _, entry := range e.Headers {
		w.add(entry.Name, entry.Value)
	}
	return w.headers
}

// needsPrincipal reports whether the record has a principal header of ours. An empty one keeps a
// header that the sender named so from being taken for it.
func needsPrincipal(e *bus.Envelope) bool {
	return e.Principal != "" || len(e.Headers) > 0 && e.Headers[0].Name == principalHeader
}

// plainSize returns how many bytes the value of e and its headers but node and seq take.
func plainSize(e *bus.Envelope) int {
	size := sizeOf(len(e.Body)) + headerSize(len(destinationHeader), len(e.Destination))
	if needsPrincipal(e) {
		size += headerSize(len(principalHeader), len(e.Principal))
	}
	for _, entry := range e.Headers {
		size += headerSize(len(entry.Name), len(entry.Value))
	}
	return size
}

// decodePlain undoes plainHeaders. The body is the record's value.
func decodePlain(rec *record) (e bus.Envelope, from origin, err error) {
	ours := beginning(rec.headers)
	from = originOf(rec.headers)
	e.Body = rec.value
	e.Headers = headersFor(rec, len(rec.headers)-len(ours))
	values := valuesOf(rec.headers)
	var addressed, individual bool
	for i, h := range rec.headers {
		value := values.next(h)
		switch {
		case i < len(ours) && h.Key == destinationHeader:
			if !addressed {
				e.Destination, addressed = value, true
			}
		case i < len(ours) && h.Key == principalHeader:
			if !individual {
				e.Principal, individual = value, true
			}
		case i < 2 && from.node != "": // read by originOf
		default:
			e.Headers = append(e.Headers, bus.Header{Name: h.Key, Value: value})
		}
	}
	if e.Destination == "" {
		return bus.Envelope{}, origin{}, errors.New("the destination header is empty")
	}
	return e, from, nil
}

// headersFor returns the beginning of a message's headers, with room for so many of rec.
func headersFor(rec *record, count int) (headers []bus.Header) {
	if rec.value == nil {
		return append(make([]bus.Header, 0, count+1), tombstone)
	}
	if count > 0 {
		headers = make([]bus.Header, 0, count)
	}
	return headers
}

// beginning returns those of headers among which ours are, not the sender's own: the first three or
// four of what plainHeaders made, and all of a foreign producer's.
func beginning(headers []kafka.Header) []kafka.Header {
	if len(headers) < 3 || headers[0].Key != nodeHeader || headers[1].Key != seqHeader || headers[2].Key != destinationHeader {
		return headers
	}
	if len(headers) > 3 && headers[3].Key == principalHeader {
		return headers[:4]
	}
	return headers[:3]
}
