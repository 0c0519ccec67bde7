package natsbus

import (
	"fmt"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

func TestHeadersOnTheWire(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []bus.Header
		want    nats.Header
	}{
		{"none", nil, nil},
		{"plain", []bus.Header{{Name: "content-type", Value: "text/plain;charset=utf-8"}},
			nats.Header{"content-type": {"text/plain;charset=utf-8"}}},
		{"repeated and sorted", []bus.Header{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}, {Name: "b", Value: ""}},
			nats.Header{"a": {"1", "2"}, "b": {""}}},
		{"unsorted", []bus.Header{{Name: "b", Value: "1"}, {Name: "a", Value: "2"}, {Name: "b", Value: "3"}},
			nats.Header{"a": {"2"}, "b": {"1", "3"}, orderHeader: {"b a b"}}},
		{"name no token", []bus.Header{{Name: "my name", Value: "x:%"}},
			nats.Header{escapedHeader: {"my%20name:x%3A%25"}}},
		{"value that NATS changes", []bus.Header{{Name: "a", Value: " x"}, {Name: "a", Value: "x\r\ny"}},
			nats.Header{escapedHeader: {"a:%20x", "a:x%0D%0Ay"}}},
		{"reserved", []bus.Header{{Name: "nats-msg-id", Value: "1"}, {Name: "STOMP-ORDER", Value: "2"}},
			nats.Header{escapedHeader: {"nats-msg-id:1", "STOMP-ORDER:2"}}},
		{"a server's word", []bus.Header{{Name: "Status", Value: "503"}, {Name: "description", Value: "x"}},
			nats.Header{escapedHeader: {"Status:503", "description:x"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var enc headerEncoder
			if got := enc.encode(&bus.Envelope{Headers: test.entries}); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestForeignHeaders(t *testing.T) {
	for _, test := range []struct {
		name   string
		header nats.Header
		want   []bus.Header
	}{
		{"sorted by name", nats.Header{"b": {"2", "3"}, "a": {"1"}},
			[]bus.Header{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}, {Name: "b", Value: "3"}}},
		{"NATS' own stay behind", nats.Header{"Nats-Msg-Id": {"1"}, "nats-x": {"2"}, "a": {"3"}},
			[]bus.Header{{Name: "a", Value: "3"}}},
		{"added on the way", nats.Header{orderHeader: {"c a"}, "c": {"1"}, "a": {"2"}, "b": {"3"}},
			[]bus.Header{{Name: "c", Value: "1"}, {Name: "a", Value: "2"}, {Name: "b", Value: "3"}}},
		{"order of what is not there", nats.Header{orderHeader: {"x a a Nats-Y"}, "a": {"1"}},
			[]bus.Header{{Name: "a", Value: "1"}}},
		{"a server's word", nats.Header{"Status": {"503"}}, []bus.Header{{Name: "Status", Value: "503"}}},
		{"who sent it is no entry", nats.Header{"Stomp-Member": {"7"}, "stomp-member": {"8"}, "STOMP-MEMBER": {"9"}, "Stomp-x": {"1"}, "a": {"2"}},
			[]bus.Header{{Name: "a", Value: "2"}}},
		{"escaped nonsense", nats.Header{escapedHeader: {"no colon", "a:%zz", "b:%20"}},
			[]bus.Header{{Name: "b", Value: " "}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := decodeHeaders(test.header); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// FuzzHeaders holds that entries arrive as they were, through NATS' own reading and writing.
func FuzzHeaders(f *testing.F) {
	f.Add("content-type\x1etext/plain")
	f.Add("b\x1e1\x1ea\x1e2\x1eb\x1e3")
	f.Add(" \x1e \x1eNats-A\x1e\r\n\x1e\x1e:%")
	f.Fuzz(func(t *testing.T, fields string) {
		var entries []bus.Header
		for pair := range slices.Chunk(strings.Split(fields, "\x1e"), 2) {
			entries = append(entries, bus.Header{Name: pair[0], Value: pair[len(pair)-1]})
		}
		e := bus.Envelope{Destination: fields, Principal: fields + "/", Member: fields, Headers: entries}
		var enc headerEncoder
		header := enc.encode(&e)
		block := headerBlock(header)
		if got := headerSize(header); got != len(block) {
			t.Errorf("headerSize says %d, the block has %d bytes", got, len(block))
		}
		if len(block) > escapedSize(&e) {
			t.Errorf("escapedSize says %d, the block has %d bytes", escapedSize(&e), len(block))
		}
		arrived, err := nats.DecodeHeadersMsg([]byte(block))
		if err != nil {
			t.Fatalf("%q: %v", block, err)
		}
		principal, destination, ok := addressee(arrived)
		if ok != (fields != "") || ok && (principal != e.Principal || destination != e.Destination) {
			t.Errorf("addressed to %q at %q, %t", principal, destination, ok)
		}
		if got := memberOf(arrived); got != e.Member {
			t.Errorf("sent by %q, want %q", got, e.Member)
		}
		if got := decodeHeaders(arrived); !reflect.DeepEqual(got, entries) {
			t.Errorf("got %q, want %q, over %q", got, entries, block)
		}
	})
}

// headerBlock writes h as nats.go does.
func headerBlock(h nats.Header) string {
	var block strings.Builder
	block.WriteString("NATS/1.0\r\n")
	for name, values := range h {
		for _, value := range values {
			fmt.Fprintf(&block, "%s: %s\r\n", name, textproto.TrimString(value))
		}
	}
	block.WriteString("\r\n")
	return block.String()
}
