package kafkabus

import (
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
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
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, Headers) })
	}
}

// TestForeignHeadersRecord: kcat -P -H destination=/topic/x is enough, and the order is free.
func TestForeignHeadersRecord(t *testing.T) {
	for _, test := range []struct {
		name string
		rec  record
		want bus.Envelope
		from origin
	}{
		{"destination alone", record{value: []byte("hi"), headers: kafkaHeaders("destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Body: []byte("hi")}, origin{}},
		{"the key means nothing", record{key: []byte("k"), value: []byte("hi"), headers: kafkaHeaders("destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Body: []byte("hi")}, origin{}},
		{"a body that looks like JSON", record{value: []byte(reference), headers: kafkaHeaders("destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Body: []byte(reference)}, origin{}},
		{"no value", record{headers: kafkaHeaders("destination", "/topic/x", "tombstone", "no")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("tombstone", "true", "tombstone", "no")}, origin{}},
		{"an empty value", record{value: []byte{}, headers: kafkaHeaders("destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x"}, origin{}},
		{"headers around it", record{value: []byte{}, headers: kafkaHeaders("foo", "1", "destination", "/topic/x", "foo", "2", "stomp.a", "b")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("foo", "1", "foo", "2", "stomp.a", "b")}, origin{}},
		{"a header without a value", record{value: []byte{}, headers: []kafka.Header{{Key: "foo"}, {Key: "destination", Value: []byte("/topic/x")}}},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("foo", "")}, origin{}},
		{"principal anywhere", record{value: []byte{}, headers: kafkaHeaders("principal", "1/a/b/c", "foo", "1", "destination", "/queue/x")},
			bus.Envelope{Destination: "/queue/x", Principal: "1/a/b/c", Headers: busHeaders("foo", "1")}, origin{}},
		{"empty principal", record{value: []byte{}, headers: kafkaHeaders("destination", "/topic/x", "principal", "")},
			bus.Envelope{Destination: "/topic/x"}, origin{}},
		{"the first counts", record{value: []byte{}, headers: kafkaHeaders("destination", "/topic/x", "principal", "a", "destination", "/topic/y", "principal", "b")},
			bus.Envelope{Destination: "/topic/x", Principal: "a"}, origin{}},
		{"the first counts, though it is empty", record{value: []byte{}, headers: kafkaHeaders("principal", "", "destination", "/topic/x", "principal", "b", "destination", "")},
			bus.Envelope{Destination: "/topic/x"}, origin{}},
		{"node and seq of its own", record{value: []byte{}, headers: kafkaHeaders("seq", "3", "destination", "/topic/x", "foo", "1", "node", "n")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("seq", "3", "foo", "1", "node", "n")}, origin{}},
		{"almost our beginning, by its first", record{value: []byte{}, headers: kafkaHeaders("foo", "1", "seq", "3", "destination", "/topic/x", "node", "n")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("foo", "1", "seq", "3", "node", "n")}, origin{}},
		{"almost our beginning, by its second", record{value: []byte{}, headers: kafkaHeaders("node", "n", "foo", "1", "destination", "/topic/x", "seq", "3")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("node", "n", "foo", "1", "seq", "3")}, origin{}},
		{"almost our beginning, by its third", record{value: []byte{}, headers: kafkaHeaders("node", "n", "seq", "3", "foo", "1", "destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("foo", "1")}, origin{"n", 3}},
		{"node and seq that mean something else", record{value: []byte{}, headers: kafkaHeaders("destination", "/topic/x", "seq", "third", "node", "n")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("seq", "third", "node", "n")}, origin{}},
		{"node without seq", record{value: []byte{}, headers: kafkaHeaders("node", "n", "destination", "/topic/x")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("node", "n")}, origin{}},
		{"our beginning with a seq that is none", record{value: []byte{}, headers: kafkaHeaders("node", "n", "seq", "x", "destination", "/topic/x", "seq", "1")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("node", "n", "seq", "x", "seq", "1")}, origin{}},
		{"other letters are another name", record{value: []byte{}, headers: kafkaHeaders("Destination", "/topic/y", "destination", "/topic/x", "Node", "n", "Seq", "1")},
			bus.Envelope{Destination: "/topic/x", Headers: busHeaders("Destination", "/topic/y", "Node", "n", "Seq", "1")}, origin{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, from, err := decode(&test.rec)
			if err != nil || !sameEnvelope(got, test.want) || from != test.from {
				t.Errorf("got %q from %v, %v,\nwant %q from %v", got, from, err, test.want, test.from)
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
			e, from, err := decode(&record{value: []byte(reference), headers: test.headers})
			if err == nil || err.Error() != "the destination header is empty" {
				t.Errorf("got %q from %v, %v", e, from, err)
			}
		})
	}
}
