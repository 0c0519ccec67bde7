package router

import (
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Framing is how a transport packs one STOMP frame, the same for all its connections: a type
// without state, so that frames are shared among those whose Framing is equal.
type Framing interface {
	// Append appends the packed frame, which is head followed by rest, and returns the extended
	// dst. text says that the frame is valid UTF-8. A transport that can't carry it appends nothing.
	Append(dst []byte, text bool, head, rest []byte) []byte
	// Overhead is the most bytes that packing adds, as a hint for the size of a buffer.
	Overhead() int
}

// Outlet takes what a subscription receives. Its methods run on the subscription's loop.
type Outlet interface {
	// Deliver takes the packed MESSAGE of message number seq, empty if the transport can't carry it, and reports whether the client
	// gets it. Others share its bytes. It must not subscribe or unsubscribe: the table is being read.
	Deliver(sub *Subscription, seq uint64, packed []byte) bool
	// Admits reports whether a subscription by pattern may receive what was sent to a destination
	// that its pattern matches. It is asked for each message, and never for a subscription to one
	// destination; it must not subscribe or unsubscribe.
	Admits(sub *Subscription, destination string) bool
	// Missed says that messages to sub may be missing, and can't be had any more. event is that of the bus.Mark: of one event
	// sub may be told several times.
	Missed(sub *Subscription, event uint32)
	// Ended says that the bus brings nothing to sub any more, perhaps once more after sub was
	// unsubscribed. It has to unsubscribe it.
	Ended(sub *Subscription)
}

// Subscription is one subscription of one session. What is exported is set before Local.Subscribe
// and not changed after.
type Subscription struct {
	ID          string // the client's id header; empty for a 1.0 client that gave none
	Destination string
	Pattern     *destination.Pattern // of which Destination is the text; nil for one destination
	Version     stomp.Version
	Framing     Framing
	WantsAck    bool // a 1.2 client acknowledges: MESSAGE carries an ack header
	Outlet      Outlet

	follows  bool     // begun by Follow
	audience Audience // by Attach
	index    int      // in the table's list of its destination or pattern
}

// isText reports whether the id is valid UTF-8, which 1.0 alone does not ask for.
func (s *Subscription) isText() bool { return s.Version > stomp.V10 || utf8.ValidString(s.ID) }
