package stomp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// benchSend is a SEND of 200 octets as a browser sends it.
const benchSend = "SEND\ndestination:/app/topic/chat/room-00001\ncontent-type:application/json\n" +
	"client-request-code:1234\nreceipt:message-12345\ncontent-length:59\n\n" +
	`{"chat":"a line of text as people write it in a chat room"}` + "\x00"

// BenchmarkDecode decodes a SEND of 200 octets that comes in one piece, and in two.
func BenchmarkDecode(b *testing.B) {
	limits := DefaultLimits()
	for _, pieces := range []int{1, 2} {
		b.Run(fmt.Sprintf("octets=%d/pieces=%d", len(benchSend), pieces), func(b *testing.B) {
			d := NewDecoder(&limits)
			d.SetVersion(V12)
			wire := []byte(benchSend)
			var f Frame
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			for b.Loop() {
				for piece := range slices.Chunk(wire, (len(wire)+pieces-1)/pieces) {
					d.Feed(piece)
					for d.Next(&f) == nil {
					}
				}
			}
			if len(f.Header) != 5 || d.Buffered() != 0 {
				b.Fatal("not decoded")
			}
		})
	}
}

// BenchmarkDecodeByteAtATime shows the cost of each octet of a frame that comes in pieces of one,
// which must not grow with the frame.
func BenchmarkDecodeByteAtATime(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("body=%d", size), func(b *testing.B) {
			limits := DefaultLimits()
			d := NewDecoder(&limits)
			d.SetVersion(V12)
			wire := []byte("SEND\ndestination:/queue/a\n\n" + strings.Repeat("x", size) + "\x00")
			var f Frame
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			for b.Loop() {
				for i := range wire {
					d.Feed(wire[i : i+1])
					for d.Next(&f) == nil {
					}
				}
			}
			if len(f.Body) != size {
				b.Fatal("not decoded")
			}
		})
	}
}

// BenchmarkEncode encodes a MESSAGE with a body of 59 octets.
func BenchmarkEncode(b *testing.B) {
	for _, test := range []struct{ name, subscription string }{{"plain", "sub-0"}, {"escapes", "sub:0"}} {
		b.Run(test.name, func(b *testing.B) {
			f := Frame{
				Command: CommandMessage,
				Header: entries(HeaderSubscription, test.subscription, HeaderMessageID, "5f3a-000000012345",
					HeaderDestination, "/topic/chat", HeaderContentType, "application/json"),
				Body: []byte(`{"chat":"a line of text as people write it in a chat room"}`),
			}
			dst := AppendFrame(nil, V12, &f)
			b.SetBytes(int64(len(dst)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendFrame(dst[:0], V12, &f)
			}
		})
	}
}
