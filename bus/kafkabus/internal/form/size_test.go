package form

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// checkSize holds that size is what a record takes, and what it may: a record's head takes 5 to 9
// bytes of the 25 that it could.
func checkSize(t *testing.T, f Format, e *bus.Envelope, node string, seq uint64) {
	t.Helper()
	const batchHead = 4 + 61 // the length of the set of records, and the head of a batch
	takes := len(batchBytes(t, f.Encode(e, node, seq))) - batchHead
	bounds := MaxNode - len(node) + maxSeq - len(strconv.FormatUint(seq, 10)) // that they leave unused
	if spare := f.Size(e) - bounds - takes; spare < 15 || spare > 25 {
		t.Errorf("%s: size says %d, it takes %d, and %d for node and seq", f, f.Size(e), takes, bounds)
	}
}

func TestSize(t *testing.T) {
	long := bus.Envelope{Destination: "/topic/" + strings.Repeat("long/", 100), Body: []byte(strings.Repeat("\x01\"ä", 100_000))}
	for range 1000 {
		long.Headers = append(long.Headers, bus.Header{Name: "n", Value: ""})
	}
	for _, e := range []bus.Envelope{
		{Destination: "/topic/a"},
		{Destination: "/topic/a", Body: make([]byte, 60)},
		{Destination: "/queue/a", Principal: "1/a/b/c", Headers: busHeaders("principal", strings.Repeat("x", 64)), Body: make([]byte, 64)},
		{Destination: long.Destination, Principal: "p"},
		long,
	} {
		for _, f := range []Format{Headers, JSON} {
			checkSize(t, f, &e, "1", 1)
			checkSize(t, f, &e, strings.Repeat("n", MaxNode), math.MaxUint64)
		}
	}
}

// TestAllocs: what a record costs does not grow with its headers.
func TestAllocs(t *testing.T) {
	cost := func(f Format, count int) (encode, decodes float64) {
		e := sampleEnvelope()
		for range count {
			e.Headers = append(e.Headers, bus.Header{Name: "name", Value: "value"})
		}
		rec := asRead(t, f.Encode(&e, "1/a", 7))
		encode = testing.AllocsPerRun(100, func() { f.Encode(&e, "1/a", 7) })
		decodes = testing.AllocsPerRun(100, func() { Decode(rec) })
		return encode, decodes
	}
	fewEncode, fewDecode := cost(Headers, 1)
	manyEncode, manyDecode := cost(Headers, 100)
	if fewEncode != manyEncode || manyEncode > 5 {
		t.Errorf("encode allocates %v times with 1 header, %v with 100", fewEncode, manyEncode)
	}
	if fewDecode != manyDecode || manyDecode > 3 {
		t.Errorf("decode allocates %v times with 1 header, %v with 100", fewDecode, manyDecode)
	}
	_, fewDecode = cost(JSON, 1)
	_, manyDecode = cost(JSON, 100)
	if fewDecode != manyDecode {
		t.Errorf("JSON: decode allocates %v times with 1 header, %v with 100", fewDecode, manyDecode)
	}
}
