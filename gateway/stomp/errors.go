package stomp

import (
	"errors"
	"fmt"
)

// ErrIncomplete reports bytes that end inside a frame, or between frames: feed more and call Next
// again.
var ErrIncomplete = errors.New("stomp: incomplete frame")

// ErrNoCommonVersion reports a client that accepts none of [Versions]. The ERROR that answers it
// has a version header of [Versions] and a body that says the same ("Protocol Negotiation").
var ErrNoCommonVersion = errors.New("stomp: no common protocol version, supported are " + Versions)

// ProtocolError is a fault of the peer, who reads Summary in the "message" header of the ERROR
// frame. Of the frame's content it carries names and ids at most, cut and quoted, so it is safe to log.
type ProtocolError struct {
	Section string // of the STOMP 1.2 specification, such as "Value Encoding"
	Summary string // what is wrong, and what would be right
	Offset  int64  // of the bad octet in the connection's inbound stream; -1 for a fault of a single value
}

// Error returns all of e in one line.
func (e *ProtocolError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("stomp: %s (%s)", e.Summary, e.Section)
	}
	return fmt.Sprintf("stomp: %s (%s, at octet %d)", e.Summary, e.Section, e.Offset)
}
