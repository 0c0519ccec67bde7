package ws

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// Framing makes one WebSocket message of one STOMP frame.
type Framing struct{}

// Append appends the message whose payload is head followed by rest, and returns the extended
// dst. text says that the payload is valid UTF-8; if not, the message is binary.
func (Framing) Append(dst []byte, text bool, head, rest []byte) []byte {
	op := ws.OpBinary
	if text {
		op = ws.OpText
	}
	dst = appendHeader(dst, op, len(head)+len(rest))
	dst = append(dst, head...)
	return append(dst, rest...)
}

// Overhead is the most bytes that Append adds to a frame.
func (Framing) Overhead() int { return 10 }

// appendHeader appends the header of a whole, unmasked message of n bytes (section 5.2).
func appendHeader(dst []byte, op ws.OpCode, n int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case n <= 125:
		return append(dst, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
}
