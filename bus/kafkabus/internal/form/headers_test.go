package form

import (
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// TestHeadersRecord holds what a record of the headers form has on the wire.
func TestHeadersRecord(t *testing.T) {
	begin := func(pairs ...string) []kafka.Header {
		return kafkaHeaders(append([]string{"node", "1700/a-b", "seq", "18446744073709551615", "destination"}, pairs...)...)
	}
	for _, test := range []encodedRecord{
		{
			name: "broadcast",
			e:    bus.Envelope{Destination: "/topic/a", Headers: busHeaders("content-type", "text/plain", "foo", "bar"), Body: []byte("hello")},
			key:  "/topic/a", value: "hello", headers: begin("/topic/a", "content-type", "text/plain", "foo", "bar"),
		}, {
			name: "individual",
			e:    bus.Envelope{Destination: "/queue/a", Principal: "1/a/b/c", Headers: busHeaders("foo", "bar"), Body: []byte("hello")},
			key:  "1/a/b/c", value: "hello", headers: begin("/queue/a", "principal", "1/a/b/c", "foo", "bar"),
		}, {
			name: "no headers, no body",
			e:    bus.Envelope{Destination: "/topic/a"},
			key:  "/topic/a", value: "", headers: begin("/topic/a"),
		}, {
			name: "empty body",
			e:    bus.Envelope{Destination: "/topic/a", Body: []byte{}},
			key:  "/topic/a", value: "", headers: begin("/topic/a"),
		}, {
			name: "any bytes",
			e: bus.Envelope{Destination: "/topic/\xff\x00", Headers: busHeaders("", "", "", "no name", " n\xff\x00: ", "\r\n\x00\xfe"),
				Body: []byte("\x00\xff")},
			key: "/topic/\xff\x00", value: "\x00\xff", headers: begin("/topic/\xff\x00", "", "", "", "no name", " n\xff\x00: ", "\r\n\x00\xfe"),
		}, {
			name: "repeated, in the sender's order",
			e:    bus.Envelope{Destination: "/topic/a", Headers: busHeaders("b", "1", "a", "2", "b", "1", "a", "4")},
			key:  "/topic/a", headers: begin("/topic/a", "b", "1", "a", "2", "b", "1", "a", "4"),
		}, {
			name: "the sender's own with the names of ours",
			e:    bus.Envelope{Destination: "/topic/a", Headers: busHeaders("node", "x", "seq", "9", "destination", "/y", "principal", "z", "stomp.a", "b")},
			key:  "/topic/a", headers: begin("/topic/a", "node", "x", "seq", "9", "destination", "/y", "principal", "z", "stomp.a", "b"),
		}, {
			name: "the sender's own principal first",
			e:    bus.Envelope{Destination: "/topic/a", Headers: busHeaders("principal", "z", "principal", "")},
			key:  "/topic/a", headers: begin("/topic/a", "principal", "", "principal", "z", "principal", ""),
		}, {
			name: "individual, with the sender's own principal",
			e:    bus.Envelope{Destination: "/queue/a", Principal: "1/a/b/c", Headers: busHeaders("principal", "z")},
			key:  "1/a/b/c", headers: begin("/queue/a", "principal", "1/a/b/c", "principal", "z"),
		},
		{
			name:    "who sent it",
			e:       bus.Envelope{Destination: "/topic/a", Member: "x:7", Headers: busHeaders("foo", "bar")},
			key:     "/topic/a",
			headers: kafkaHeaders("node", "1700/a-b", "seq", "18446744073709551615", "stomp-member", "x:7", "destination", "/topic/a", "principal", "", "foo", "bar"),
		}, {
			name:    "who sent it, to one session, with the sender's own with the names of ours",
			e:       bus.Envelope{Destination: "/queue/a", Principal: "1/a/b/c", Member: "7", Headers: busHeaders("principal", "z", "stomp-member", "8", "destination", "/y")},
			key:     "1/a/b/c",
			headers: kafkaHeaders("node", "1700/a-b", "seq", "18446744073709551615", "stomp-member", "7", "destination", "/queue/a", "principal", "1/a/b/c", "principal", "z", "stomp-member", "8", "destination", "/y"),
		},
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, Headers) })
	}
}

// TestForgedMember: who sent a record nobody says but a node, in the place where that says it: no foreign producer, and no client, whose headers
// stand behind, also where its node knows nothing of members.
func TestForgedMember(t *testing.T) {
	for _, pairs := range [][]string{
		{"stomp-member", "7", "destination", "/topic/x"},
		{"node", "n", "seq", "third", "stomp-member", "7", "destination", "/topic/x", "principal", ""},
		{"node", "n", "foo", "1", "stomp-member", "7", "destination", "/topic/x", "principal", ""},
		{"node", "n", "seq", "1", "Stomp-Member", "7", "destination", "/topic/x", "principal", ""},
		{"node", "n", "seq", "1", "destination", "/topic/x", "stomp-member", "7"},
		{"node", "n", "seq", "1", "destination", "/topic/x", "principal", "", "stomp-member", "7"},
		{"stomp-member", "7"},
		{"node", "n", "stomp-member", "7"},
		{"node", "n", "seq", "1", "stomp.stomp-member", "7"},
		{"node", "n", "seq", "1", "stomp.x", "1", "stomp-member", "7"},
	} {
		e, _, err := Decode(&wire.Record{Value: []byte(reference), Headers: kafkaHeaders(pairs...)})
		if err != nil || e.Member != "" {
			t.Errorf("%q: %+v, %v", pairs, e, err)
		}
	}
}

// TestForeignHeadersRecord: kcat -P -H destination=/topic/x is enough, and the order is free.
func TestForeignHeadersRecord(t *testing.T) {
	for _, test := range []struct {
		name string
		rec  wire.Record
		want bus.Envelope
		from Origin
	}{
		{"destination alone", wire.Record{Value: []byte("hi"), Headers: kafkaHeaders("destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Body: []byte("hi")}, Origin{}},
		{"the key means nothing", wire.Record{Key: []byte("k"), Value: []byte("hi"), Headers: kafkaHeaders("destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Body: []byte("hi")}, Origin{}},
		{"a body that looks like JSON", wire.Record{Value: []byte(reference), Headers: kafkaHeaders("destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Body: []byte(reference)}, Origin{}},
		{"no value", wire.Record{Headers: kafkaHeaders("destination", "/topic/x", "tombstone", "no")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("tombstone", "true", "tombstone", "no")}, Origin{}},
		{"an empty value", wire.Record{Value: []byte{}, Headers: kafkaHeaders("destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x"}, Origin{}},
		{"headers around it", wire.Record{Value: []byte{}, Headers: kafkaHeaders("foo", "1", "destination", "/topic/x", "foo", "2", "stomp.a", "b")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("foo", "1", "foo", "2", "stomp.a", "b")}, Origin{}},
		{"a header without a value", wire.Record{Value: []byte{}, Headers: []kafka.Header{{Key: "foo"}, {Key: "destination", Value: []byte("/topic/x")}}},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("foo", "")}, Origin{}},
		{"principal anywhere", wire.Record{Value: []byte{}, Headers: kafkaHeaders("principal", "1/a/b/c", "foo", "1", "destination", "/queue/x")},
			bus.Envelope{Destination: "/queue/x", Principal: "1/a/b/c", Headers: busHeaders("foo", "1")}, Origin{}},
		{"empty principal", wire.Record{Value: []byte{}, Headers: kafkaHeaders("destination", "/topic/x", "principal", "")},
			bus.Envelope{Destination: "/topic/x"}, Origin{}},
		{"the first counts", wire.Record{Value: []byte{}, Headers: kafkaHeaders("destination", "/topic/x", "principal", "a", "destination", "/topic/y", "principal", "b")},
			bus.Envelope{Destination: "/topic/x", Principal: "a"}, Origin{}},
		{"the first counts, though it is empty", wire.Record{Value: []byte{}, Headers: kafkaHeaders("principal", "", "destination", "/topic/x", "principal", "b", "destination", "")},
			bus.Envelope{Destination: "/topic/x"}, Origin{}},
		{"node and seq of its own", wire.Record{Value: []byte{}, Headers: kafkaHeaders("seq", "3", "destination", "/topic/x", "foo", "1", "node", "n")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("seq", "3", "foo", "1", "node", "n")}, Origin{}},
		{"almost our beginning, by its first", wire.Record{Value: []byte{}, Headers: kafkaHeaders("foo", "1", "seq", "3", "destination", "/topic/x", "node", "n")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("foo", "1", "seq", "3", "node", "n")}, Origin{}},
		{"almost our beginning, by its second", wire.Record{Value: []byte{}, Headers: kafkaHeaders("node", "n", "foo", "1", "destination", "/topic/x", "seq", "3")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("node", "n", "foo", "1", "seq", "3")}, Origin{}},
		{"almost our beginning, by its third", wire.Record{Value: []byte{}, Headers: kafkaHeaders("node", "n", "seq", "3", "foo", "1", "destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("foo", "1")}, Origin{"n", 3}},
		{"node and seq that mean something else", wire.Record{Value: []byte{}, Headers: kafkaHeaders("destination", "/topic/x", "seq", "third", "node", "n")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("seq", "third", "node", "n")}, Origin{}},
		{"node without seq", wire.Record{Value: []byte{}, Headers: kafkaHeaders("node", "n", "destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("node", "n")}, Origin{}},
		{"our beginning with a seq that is none", wire.Record{Value: []byte{}, Headers: kafkaHeaders("node", "n", "seq", "x", "destination", "/topic/x", "seq", "1")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("node", "n", "seq", "x", "seq", "1")}, Origin{}},
		{"other letters are another name", wire.Record{Value: []byte{}, Headers: kafkaHeaders("Destination", "/topic/y", "destination", "/topic/x", "Node", "n", "Seq", "1")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("Destination", "/topic/y", "Node", "n", "Seq", "1")}, Origin{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, from, err := Decode(&test.rec)
			if err != nil || !sameEnvelope(got, test.want) || from != test.from {
				t.Errorf("got %+v from %v, %v,\nwant %+v from %v", got, from, err, test.want, test.from)
			}
		})
	}
}

func TestHeadersRecordRefused(t *testing.T) {
	for _, test := range []struct {
		name    string
		headers []kafka.Header
	}{
		{"ours", kafkaHeaders("node", "n", "seq", "1", "destination", "")},
		{"foreign", kafkaHeaders("destination", "")},
		{"the first counts", kafkaHeaders("destination", "", "destination", "/topic/x")},
		{"null", []kafka.Header{{Key: "destination"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, from, err := Decode(&wire.Record{Value: []byte(reference), Headers: test.headers})
			if err == nil || err.Error() != "the destination header is empty" {
				t.Errorf("got %+v from %v, %v", e, from, err)
			}
		})
	}
}
