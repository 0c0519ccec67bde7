package kafkabus

import (
	"math/bits"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
)

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

// headerWriter collects record headers. Their values lie in one piece of memory.
type headerWriter struct {
	headers []kafka.Header
	values  []byte
}

// newHeaderWriter returns one with room for the headers of e and as many more as others has.
func newHeaderWriter(e *bus.Envelope, others ...string) headerWriter {
	size := 0
	for _, entry := range e.Headers {
		size += len(entry.Value)
	}
	for _, value := range others {
		size += len(value)
	}
	return headerWriter{
		headers: make([]kafka.Header, 0, len(e.Headers)+len(others)),
		values:  make([]byte, 0, size),
	}
}

func (w *headerWriter) add(key, value string) {
	start := len(w.values)
	w.values = append(w.values, value...)
	w.headers = append(w.headers, kafka.Header{Key: key, Value: w.values[start:]})
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
