package form

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// batchBytes returns the bytes of a batch that holds rec alone.
func batchBytes(t testing.TB, rec kafka.Record) []byte {
	t.Helper()
	var batch bytes.Buffer
	set := protocol.RecordSet{Version: 2, Records: kafka.NewRecordReader(rec)}
	if _, err := set.WriteTo(&batch); err != nil {
		t.Fatal(err)
	}
	return batch.Bytes()
}

// asRead returns rec as kafka-go reads it.
func asRead(t testing.TB, rec kafka.Record) *wire.Record {
	t.Helper()
	var set protocol.RecordSet
	if _, err := set.ReadFrom(bytes.NewReader(batchBytes(t, rec))); err != nil {
		t.Fatal(err)
	}
	got, err := set.Records.ReadRecord()
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Record{Key: readBytes(t, got.Key), Value: readBytes(t, got.Value), Headers: got.Headers}
}

// readBytes reads b, which is nil if it holds nothing, not if it is empty.
func readBytes(t testing.TB, b kafka.Bytes) []byte {
	t.Helper()
	read, err := kafka.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// kafkaHeaders makes record headers of names and values in turn.
func kafkaHeaders(pairs ...string) []kafka.Header {
	var list []kafka.Header
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, kafka.Header{Key: pair[0], Value: []byte(pair[1])})
	}
	return list
}

// busHeaders makes the headers of an envelope of names and values in turn.
func busHeaders(pairs ...string) []bus.Header {
	var list []bus.Header
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, bus.Header{Name: pair[0], Value: pair[1]})
	}
	return list
}

func sameEnvelope(a, b bus.Envelope) bool {
	return a.Destination == b.Destination && a.Principal == b.Principal && a.Member == b.Member && bytes.Equal(a.Body, b.Body) &&
		slices.Equal(a.Headers, b.Headers)
}

// encodedRecord is what a node writes, and what its readers get of it.
type encodedRecord struct {
	name    string
	e       bus.Envelope
	key     string
	value   string
	headers []kafka.Header
	arrives []bus.Header // e.Headers if nil
}

func (test encodedRecord) check(t *testing.T, f Format) {
	rec := asRead(t, f.Encode(&test.e, "1700/a-b", 18446744073709551615))
	if got := string(rec.Key); got != test.key {
		t.Errorf("key %q, want %q", got, test.key)
	}
	if got := string(rec.Value); got != test.value || rec.Value == nil {
		t.Errorf("value %q, want %q", got, test.value)
	}
	if !reflect.DeepEqual(rec.Headers, test.headers) {
		t.Errorf("headers %q,\nwant %q", rec.Headers, test.headers)
	}
	want := test.e
	if test.arrives != nil {
		want.Headers = test.arrives
	}
	got, from, err := Decode(rec)
	if err != nil || !sameEnvelope(got, want) {
		t.Errorf("arrives as %+v, %v,\nwant %+v", got, err, want)
	}
	if from != (Origin{"1700/a-b", math.MaxUint64}) {
		t.Errorf("from %v", from)
	}
}

// TestRecordKey: contract.md 5, and what partition a message has.
func TestRecordKey(t *testing.T) {
	for _, f := range []Format{Headers, JSON} {
		if got := string(f.Key(&bus.Envelope{Destination: "/topic/a"})); got != "/topic/a" {
			t.Errorf("%s: broadcast has the key %q", f, got)
		}
		if got := string(f.Key(&bus.Envelope{Destination: "/queue/a", Principal: "1/a/b/c"})); got != "1/a/b/c" {
			t.Errorf("%s: an individual one has the key %q", f, got)
		}
	}
}

// An attempt must not use up what the next one needs.
func TestEncodeAgain(t *testing.T) {
	e := bus.Envelope{Destination: "/topic/a", Headers: busHeaders("a", "b"), Body: []byte("hello")}
	for _, f := range []Format{Headers, JSON} {
		first, second := asRead(t, f.Encode(&e, "1/a", 7)), asRead(t, f.Encode(&e, "1/a", 7))
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s: %v, then %v", f, *first, *second)
		}
	}
}

// TestOrigin: a record names its node and number, or is a foreign producer's.
func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		name    string
		headers []kafka.Header
		want    Origin
	}{
		{"none", nil, Origin{}},
		{"both", kafkaHeaders("node", "1/a", "seq", "7"), Origin{"1/a", 7}},
		{"the first count", kafkaHeaders("node", "1/a", "seq", "7", "seq", "8", "node", "1/b"), Origin{"1/a", 7}},
		{"not at the beginning", kafkaHeaders("x", "y", "node", "1/a", "seq", "7"), Origin{}},
		{"in another order", kafkaHeaders("seq", "7", "node", "1/a"), Origin{}},
		{"largest", kafkaHeaders("node", "1/a", "seq", "18446744073709551615"), Origin{"1/a", math.MaxUint64}},
		{"too large", kafkaHeaders("node", "1/a", "seq", "18446744073709551616"), Origin{}},
		{"too long", kafkaHeaders("node", "1/a", "seq", strings.Repeat("0", 20)+"1"), Origin{}},
		{"before the first", kafkaHeaders("node", "1/a", "seq", "0"), Origin{}},
		{"no decimal", kafkaHeaders("node", "1/a", "seq", "0x1"), Origin{}},
		{"signed", kafkaHeaders("node", "1/a", "seq", "+1"), Origin{}},
		{"empty seq", kafkaHeaders("node", "1/a", "seq", ""), Origin{}},
		{"node alone", kafkaHeaders("node", "1/a"), Origin{}},
		{"seq alone", kafkaHeaders("seq", "7"), Origin{}},
		{"empty node", kafkaHeaders("node", "", "seq", "7"), Origin{}},
		{"longest node", kafkaHeaders("node", strings.Repeat("a", 64), "seq", "7"), Origin{strings.Repeat("a", 64), 7}},
		{"too long a node", kafkaHeaders("node", strings.Repeat("a", 65), "seq", "7"), Origin{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := originOf(test.headers); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestCheck: only JSON has bytes that it can't hold.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name string
		e    bus.Envelope
		says string // of JSON, nothing if it can
	}{
		{"UTF-8", bus.Envelope{Destination: "/topic/ä", Principal: "ö", Body: []byte("€\x00")}, ""},
		{"headers of any bytes", bus.Envelope{Destination: "/topic/a", Headers: busHeaders("\xff", "\xfe")}, ""},
		{"body", bus.Envelope{Destination: "/topic/a", Body: []byte("\xff")}, "the body is not UTF-8"},
		{"destination", bus.Envelope{Destination: "/topic/\xff"}, "the destination is not UTF-8"},
		{"principal", bus.Envelope{Destination: "/queue/a", Principal: "\xed\xa0\x80"}, "the principal is not UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := Headers.Check(&test.e); err != nil {
				t.Errorf("headers: %v", err)
			}
			err := JSON.Check(&test.e)
			if test.says == "" {
				if err != nil {
					t.Errorf("json: %v", err)
				}
			} else if !errors.Is(err, bus.ErrContent) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("json: got %v, want ErrContent with %q", err, test.says)
			}
		})
	}
}

// sampleEnvelope has a body of 200 bytes.
func sampleEnvelope() bus.Envelope {
	return bus.Envelope{
		Destination: "/topic/room.1/members",
		Headers:     busHeaders("content-type", "application/json", "x-trace", "0123456789abcdef"),
		Body:        []byte(`{"content":"` + strings.Repeat("0123456789\\\"", 15) + `1234567"}`),
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, f := range []Format{Headers, JSON} {
		b.Run(string(f)+"/body=200", func(b *testing.B) {
			e := sampleEnvelope()
			b.ReportAllocs()
			for b.Loop() {
				f.Encode(&e, "1700000000000/01234567-89ab-cdef-0123-456789abcdef", 123456)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, f := range []Format{Headers, JSON} {
		b.Run(string(f)+"/body=200", func(b *testing.B) {
			e := sampleEnvelope()
			rec := asRead(b, f.Encode(&e, "1700000000000/01234567-89ab-cdef-0123-456789abcdef", 123456))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Decode(rec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
