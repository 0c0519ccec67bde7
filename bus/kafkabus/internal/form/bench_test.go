package form

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

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
