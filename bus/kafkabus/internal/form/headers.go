package form

import (
	"errors"
	"math/bits"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// A record of the headers form has the body as its value, and these record headers, in this order:
//
//	node         who published it
//	seq          its number among that node's records in the partition, in decimal digits
//	destination  "/topic/chat"
//	principal    of an individual envelope; empty when another header of that name follows
//	...          the sender's own headers, repeated ones too
//
// Where subscribers see who sent it, MemberHeader stands before destination, and principal always follows: no sender could
// ever write anything there, as nodes that know nothing of members put destination in that place.
//
// Whatever follows a beginning like that is the sender's own, whatever its name. A foreign
// producer's record has no such beginning: its headers stand in any order, and destination and
// principal are taken out of them. Of repeated ones the first counts, as in STOMP. A record without a
// value, which only a foreign producer writes, becomes an empty body with tombstone:true.
//
// Kafka says that header names are UTF-8. It keeps other bytes too, but programs in Java, and a
// broker that is set to compress a topic in its own way, replace them.
const (
	DestinationHeader = "destination"
	principalHeader   = "principal"
)

// tombstone is the header of a message that was a record without a value, which in a topic that is
// compacted means that its key is no more. It comes before all others, so that it counts.
var tombstone = bus.Header{Name: "tombstone", Value: "true"}

// needsPrincipal reports whether the record has a principal header of ours. An empty one keeps a
// header that the sender named so from being taken for it, also by nodes that know nothing of members.
func needsPrincipal(e *bus.Envelope) bool {
	return e.Principal != "" || e.Member != "" || len(e.Headers) > 0 && e.Headers[0].Name == principalHeader
}

// decodePlain undoes Encode. The body is the record's value.
func decodePlain(rec *wire.Record) (e bus.Envelope, from Origin, err error) {
	ours := beginning(rec.Headers)
	from = originOf(rec.Headers)
	e.Member = memberOf(rec.Headers, from)
	e.Body = rec.Value
	e.Headers = headersFor(rec, len(rec.Headers)-len(ours))
	values := valuesOf(rec.Headers)
	var addressed, individual bool
	for i, h := range rec.Headers {
		value := values.next(h)
		switch {
		case i < len(ours) && h.Key == DestinationHeader:
			if !addressed {
				e.Destination, addressed = value, true
			}
		case i < len(ours) && h.Key == principalHeader:
			if !individual {
				e.Principal, individual = value, true
			}
		case i < 2 && from.Node != "": // read by originOf
		case i == 2 && e.Member != "":
		default:
			e.Headers = append(e.Headers, bus.Header{Name: h.Key, Value: value})
		}
	}
	if e.Destination == "" {
		return bus.Envelope{}, Origin{}, errors.New("the destination header is empty")
	}
	return e, from, nil
}

// headersFor returns the beginning of a message's headers, with room for so many of rec.
func headersFor(rec *wire.Record, count int) (headers []bus.Header) {
	if rec.Value == nil {
		return append(make([]bus.Header, 0, count+1), tombstone)
	}
	if count > 0 {
		headers = make([]bus.Header, 0, count)
	}
	return headers
}

// beginning returns those of headers among which ours are, not the sender's own: the first three to
// five of what Encode made, and all of a foreign producer's.
func beginning(headers []kafka.Header) []kafka.Header {
	begins := func(names ...string) bool {
		return len(headers) >= len(names) && slices.EqualFunc(headers[:len(names)], names, func(h kafka.Header, name string) bool { return h.Key == name })
	}
	switch {
	case begins(NodeHeader, SeqHeader, MemberHeader, DestinationHeader, principalHeader):
		return headers[:5]
	case begins(NodeHeader, SeqHeader, DestinationHeader, principalHeader):
		return headers[:4]
	case begins(NodeHeader, SeqHeader, DestinationHeader):
		return headers[:3]
	}
	return headers
}

// memberOf returns who sent what a node has published, as the header behind node and seq says in both forms; empty where it does
// not, and of a foreign producer's record.
func memberOf(headers []kafka.Header, from Origin) string {
	if from.Node == "" || len(headers) < 3 || headers[2].Key != MemberHeader {
		return ""
	}
	return string(headers[2].Value)
}

// recordHead is how many bytes a record takes at most beside its key, value and headers: five
// numbers (its length, attributes, two deltas, how many headers), each below 2^34.
const recordHead = 5 * 5

// sizeOf returns how many bytes n bytes take in a record, behind a number that says how many. The
// number is a zigzag varint, of 7 bits in a byte.
func sizeOf(n int) int {
	return (bits.Len64(uint64(n)<<1|1)+6)/7 + n
}

// headerSize returns how many bytes a record header takes.
func headerSize(key, value int) int { return sizeOf(key) + sizeOf(value) }

// ours returns the record headers that stand before the sender's own, n of them, and what
// the names of the sender's own begin with.
func (f Format) ours(e *bus.Envelope, node, seq string) (headers [5]bus.Header, n int, prefix string) {
	if f == Plain {
		return headers, 0, ""
	}
	headers = [5]bus.Header{{Name: NodeHeader, Value: node}, {Name: SeqHeader, Value: seq}}
	n = 2
	if e.Member != "" {
		headers[n] = bus.Header{Name: MemberHeader, Value: e.Member}
		n++
	}
	if f == JSON {
		return headers, n, stompPrefix
	}
	headers[n] = bus.Header{Name: DestinationHeader, Value: e.Destination}
	n++
	if needsPrincipal(e) {
		headers[n] = bus.Header{Name: principalHeader, Value: e.Principal}
		n++
	}
	return headers, n, ""
}

// headers returns all record headers that e needs. Their values lie in one piece of memory.
func (f Format) headers(e *bus.Envelope, node, seq string) []kafka.Header {
	ours, n, prefix := f.ours(e, node, seq)
	size := 0
	for _, entries := range [][]bus.Header{ours[:n], e.Headers} {
		for _, entry := range entries {
			size += len(entry.Value)
		}
	}
	list, values := make([]kafka.Header, 0, n+len(e.Headers)), make([]byte, 0, size)
	add := func(name, value string) {
		start := len(values)
		values = append(values, value...)
		list = append(list, kafka.Header{Key: name, Value: values[start:]})
	}
	for _, entry := range ours[:n] {
		add(entry.Name, entry.Value)
	}
	for _, entry := range e.Headers {
		add(prefix+entry.Name, entry.Value)
	}
	return list
}

// headerValues are the values of one record header after the other, as one string: an allocation
// for them all.
type headerValues string

func valuesOf(headers []kafka.Header) headerValues {
	size := 0
	for _, h := range headers {
		size += len(h.Value)
	}
	var all strings.Builder
	all.Grow(size)
	for _, h := range headers {
		all.Write(h.Value)
	}
	return headerValues(all.String())
}

// next returns the value of h, which is the header after that of the last call.
func (v *headerValues) next(h kafka.Header) string {
	value := (*v)[:len(h.Value)]
	*v = (*v)[len(h.Value):]
	return string(value)
}
