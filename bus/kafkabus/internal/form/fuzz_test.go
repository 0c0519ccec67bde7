package form

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// fuzzedEnvelope has its headers' names and values in one string, apart by a byte.
func fuzzedEnvelope(destination, principal, pairs string, body []byte) bus.Envelope {
	e := bus.Envelope{Destination: destination, Principal: principal, Body: body}
	if pairs != "" {
		e.Headers = busHeaders(append(strings.Split(pairs, "\x1e"), "")[:2*(strings.Count(pairs, "\x1e")/2+1)]...)
	}
	return e
}

// FuzzEnvelope holds that envelopes arrive as they were, and that size is right.
func FuzzEnvelope(f *testing.F) {
	f.Add("/topic/a", "", "", []byte("hello"), uint64(1))
	f.Add("/queue/a", "1/a/b/c", "content-type\x1etext/plain\x1ea\x1e1\x1ea\x1e2", []byte{}, uint64(math.MaxUint64))
	f.Add("/topic/a", "", "principal\x1ex\x1enode\x1ey\x1eseq\x1e7\x1edestination\x1ez", []byte("\xff\x00"), uint64(10))
	f.Add("\"\\\n\x01ä", "\u2028", "\x1e\x1e\x1e", []byte("{\"a\":\"\\u00e4\U0001f600<>&\"}\x7f\x1f\b\f\r\t"), uint64(99))
	f.Fuzz(func(t *testing.T, destination, principal, pairs string, body []byte, seq uint64) {
		if destination == "" || seq == 0 {
			t.Skip("never published")
		}
		e := fuzzedEnvelope(destination, principal, pairs, body)
		checkRoundTrip(t, Headers, e, e, seq)
		e.Member = principal
		checkRoundTrip(t, Headers, e, e, seq)
		text := utf8.Valid(body) && utf8.ValidString(destination) && utf8.ValidString(principal)
		if err := JSON.Check(&e); (err == nil) != text {
			t.Fatalf("JSON.check: %v", err)
		}
		if text {
			checkRoundTrip(t, JSON, e, withContentType(e), seq)
		}
	})
}

// withContentType is e as it arrives in JSON.
func withContentType(e bus.Envelope) bus.Envelope {
	if !slices.ContainsFunc(e.Headers, func(h bus.Header) bool { return h.Name == "content-type" }) {
		e.Headers = append(slices.Clip(e.Headers), bus.Header{Name: "content-type", Value: "text/plain;charset=UTF-8"})
	}
	return e
}

func checkRoundTrip(t *testing.T, f Format, e, want bus.Envelope, seq uint64) {
	const node = "1700000000000/01234567-89ab-cdef-0123-456789abcdef"
	got, from, err := Decode(asRead(t, f.Encode(&e, node, seq)))
	if err != nil || !sameEnvelope(got, want) || from != (Origin{node, seq}) {
		t.Errorf("%s: got %+v from %v, %v,\nwant %+v", f, got, from, err, want)
	}
	checkSize(t, f, &e, node, seq)
}

// FuzzDecode holds that whatever is on the topic is read or refused, and that what is read can be
// written again to the same effect.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(reference), "", true)
	f.Add([]byte(`{"destination":"/topic/a","messageJsonString":"\ud800","destination":"/b","x":[1e999,{}]}`), "stomp.a\x1eb\x1econtent-type\x1ec", true)
	f.Add([]byte("hello"), "destination\x1e/topic/x\x1enode\x1ea\x1eseq\x1e1\x1eprincipal\x1e", true)
	f.Add([]byte("hello"), "node\x1ea\x1eseq\x1e1\x1edestination\x1e/x\x1eprincipal\x1e\x1eseq\x1e2", true)
	f.Add([]byte(nil), "node\x1ea\x1eseq\x1ex\x1edestination\x1e/x", false)
	f.Add([]byte(nil), "seq\x1e1\x1enode\x1ex", false)
	f.Add([]byte(nil), "node\x1ea\x1eseq\x1e1\x1estomp-member\x1e7\x1edestination\x1e/x\x1eprincipal\x1e\x1eprincipal\x1ey", true)
	f.Add([]byte(reference), "node\x1ea\x1eseq\x1e1\x1estomp-member\x1e7\x1estomp.a\x1eb", true)
	f.Fuzz(func(t *testing.T, value []byte, pairs string, valued bool) {
		rec := wire.Record{Value: value}
		if !valued {
			rec.Value = nil
		}
		for _, h := range fuzzedEnvelope("", "", pairs, nil).Headers {
			rec.Headers = append(rec.Headers, kafka.Header{Key: h.Name, Value: []byte(h.Value)})
		}
		before := bytes.Clone(value)
		e, from, err := Decode(&rec)
		if !bytes.Equal(value, before) {
			t.Fatal("decode wrote into the record")
		}
		if err != nil {
			if !sameEnvelope(e, bus.Envelope{}) || from != (Origin{}) {
				t.Errorf("%v, and yet %+v from %v", err, e, from)
			}
			return
		}
		if e.Destination == "" || (from.Node == "") != (from.Seq == 0) || len(from.Node) > MaxNode {
			t.Errorf("got %+v from %q, %d", e, from.Node, from.Seq)
		}
		checkRoundTrip(t, Headers, e, e, 1)
		if JSON.Check(&e) == nil {
			checkRoundTrip(t, JSON, e, withContentType(e), 1)
		}
	})
}

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
		{Destination: "/topic/a", Member: strings.Repeat("m", 200), Headers: busHeaders("principal", "x")},
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
