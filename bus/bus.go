// Package bus names what the gateway asks of a message broker: to carry envelopes between nodes.
//
// A broker is one package below this one (kafkabus, natsbus, membus), one line in the table of
// cmd/stompgw, and a test that calls bustest.Run. Nothing here knows a broker, a socket or STOMP.
package bus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// ErrFull reports that an envelope was refused because too many wait for the broker already: pause
// the client (backpressure) and publish again when an earlier done has run.
var ErrFull = errors.New("bus: the queue to the broker is full")

// ErrDown reports that the broker has not answered for so long that new envelopes are refused.
var ErrDown = errors.New("bus: the broker does not answer")

// ErrClosed reports a call after Close.
var ErrClosed = errors.New("bus: closed")

// ErrUnknown reports an envelope that the broker may or may not have: it left, and no answer came
// in time. Whoever publishes it again may publish it twice.
var ErrUnknown = errors.New("bus: outcome unknown")

// ErrTooLarge reports an envelope that the broker's own limit does not let pass.
var ErrTooLarge = errors.New("bus: larger than the broker takes")

// ErrDestination reports a destination that the broker has no name for: mostly, as it is too long.
var ErrDestination = errors.New("bus: the destination can't be carried")

// ErrContent reports an envelope that is not UTF-8 text, on a bus that carries text alone.
var ErrContent = errors.New("bus: not UTF-8 text")

// ErrHistory reports that not all of the past can be had, on a bus that carries all that is published.
var ErrHistory = errors.New("bus: not all history can be had")

// ErrTarget reports a target that the bus brings nothing to.
var ErrTarget = errors.New("bus: no target of this bus")

// ErrCrowded reports a watch for which the broker has no room: it may have later.
var ErrCrowded = errors.New("bus: the broker takes no more subscriptions")

// Header is one header entry of an envelope. Name and Value are what the client meant, that is,
// without STOMP's escapes; both may hold any bytes.
type Header struct {
	Name, Value string
}

// Envelope is one message crossing the bus. It holds nothing that proves who sent it.
type Envelope struct {
	Destination string   // such as "/topic/chat", never empty
	Principal   string   // set: only the session of that name receives it; empty: all subscribers
	Member      string   // who sent it, if subscribers see that: the name of the member in its destinations; no client, and no source, can set it
	Headers     []Header // in the sender's order, content-type among them, repeated ones too
	Body        []byte   // any bytes
	Watch       string   // set on delivery by a Narrower: the watch that brought it
	Mark        *Mark    // set on delivery by a Recaller, if the destination has history
}

// Bus carries envelopes between nodes. Its methods may be called from any goroutine.
//
// It never gives up: whatever ends its connection to the broker, and whatever the broker says, it makes
// another one until Close, and Healthy tells how that goes. What it publishes for one caller, a broker that
// does not take it included, costs others no more than a short gap, and what the broker was found to refuse
// is not sent again.
type Bus interface {
	// Publish queues e and returns at once; it never waits for a network. The bus keeps e, and the
	// caller must not change what e refers to. done runs once, on a goroutine of the bus, with nil
	// when the broker has said that it has taken e, with ErrUnknown or ErrDown when it did not say so
	// in time, or with why it can't; it must not block. When Publish returns an error
	// (ErrFull, ErrDown, ErrClosed, or that e can't be carried), done never runs.
	Publish(e Envelope, done func(error)) error
	// Receive hands deliver what any node publishes, this one included, in order for each
	// destination, until ctx ends; then it returns nil. It is called once. It calls ready once,
	// when all that is published from then on will be delivered (to a Narrower's watches, and to
	// this node's principals). deliver may run on several goroutines at once for different
	// destinations, may block (a loop's inbox is full), and borrows e for the call alone.
	Receive(ctx context.Context, ready func(), deliver func(e Envelope)) error
	// Healthy returns nil while the broker answers, else why not, in words for an operator. It is an
	// ErrHistory where nothing but a Recaller's history is amiss.
	Healthy() error
	// Close refuses new envelopes, waits for outstanding done calls until ctx ends, and leaves.
	// What ctx cuts off is told to its done as ErrUnknown.
	Close(ctx context.Context) error
}

// Narrower is a bus that can bring only what is asked for.
//
// A watch is a destination or, if Wide says so, a pattern: between slashes, a part "*" stands for
// any one part, the empty one too, and a last part "**" for one or more parts. Every other part is
// text, whatever characters it holds, and what begins with a slash is never matched by what does
// not. On such a bus a broadcast envelope arrives once for each watch that it matches, each time
// with Watch set to it; the copies of one watch are in order for each destination.
type Narrower interface {
	// Watch asks for what is published to what watch names from the moment that ready runs with
	// nil. ready runs on a goroutine of the bus, and must not block; with an error, it can't be
	// watched and the watch does not exist. What this node publishes after Watch returned arrives
	// whether or not ready has run. A watch is asked for once at a time: the router counts.
	//
	// A bus can take back its yes, as when a broker's permissions change: after nil ready runs once
	// more, with why, and the watch does not exist any more. It does not come back by itself: whoever
	// wants it calls Watch again, which asks the broker anew. After Unwatch ready hears nothing. That
	// the connection to the broker is lost and made again takes nothing back.
	Watch(watch string, ready func(error))
	// Unwatch ends a watch. Envelopes already on their way may still arrive.
	Unwatch(watch string)
}

// Mark is what a Recaller knows of an envelope.
type Mark struct {
	At        Position
	Published int64  // when, in Unix milliseconds, as the broker or else this node has it
	Past      bool   // it was published before: for the node's memory alone, never for subscribers
	Hole      bool   // it is no message: see Recaller
	Event     uint32 // of a Hole: see Recaller
}

// String is for tests that show an envelope.
func (m *Mark) String() string {
	if m == nil {
		return "no mark"
	}
	return fmt.Sprintf("%+v", *m)
}

// Position is where an envelope stands in a log of the broker, the same on all nodes. The zero value is none.
type Position struct {
	Log    uint64 // which log it is; one that was made anew by the same name is another one
	Term   uint32 // tells the log from what it is after its end was lost: another number in the same place; 0 is unknown, see Recalled
	Offset uint64 // grows along the log, though not by one
}

// Ended is the Offset of the hole of a log that is there no more.
const Ended = math.MaxUint64

// Keep is what a node keeps of what was published.
type Keep struct {
	Patterns []string                      // of the rules; each destination with history matches one of them
	Without  []string                      // of rules without history that come before one of those, and take from it what they match
	Has      func(destination string) bool // whether one has history; any goroutine calls it, often
	Size     int                           // the most envelopes of one destination
	Age      time.Duration                 // for the longest time
	Bytes    int                           // of all together
}

// Wish is where a subscriber has been in a destination, or how much of its past it asks for.
type Wish struct {
	After []Position    // the last of each log that it has seen; none: it begins now
	Told  time.Time     // when a node told it of After
	Away  time.Duration // for how long it has heard nothing, not even a heart-beat; 0 is unknown
	Last  int           // the last ones are enough, so many; 0: none, unless they come after After
}

// Recalled is what a bus says of a Wish.
type Recalled struct {
	// Head is where one stands that begins now: in the logs in which the destination's next envelope may come, as far as it
	// has been delivered. It may be cut where there are many.
	Head []Position
	// Whole says that each position of After is in a log that still is what it was, and that all that came behind it has been
	// delivered, at some time since Receive began or since the destination was watched.
	// Where the Term is unknown that stands as long as nothing tells that the log may have lost its end since.
	Whole bool
	// Err is why it is not whole, in words for an operator. ErrDown, ErrFull and ErrClosed say that it could not be found out, or
	// not all of Last be brought; with any other error nothing helps who asks again.
	Err error
}

// Recaller is a bus that can bring what was published before.
//
// To deliver come the envelopes of a destination with history in the order of their log, each once, with a Mark: as Past, if
// they were published before Receive began or before the destination was watched. What comes twice is dropped before, but for the
// Past, which comes again where it could not be brought whole at first; and what is missing is brought first. What can't be brought any more, as the broker has removed it, is told by a Hole: its
// Destination is empty for all of the log, and what lies at At and before it may be missing. At Ended the log is no more,
// and what is known of it is to be forgotten. Holes with the same Event are of one, as when a topic of many logs is made anew, and
// a subscriber hears of it once; with 0 each is an event of its own. A log that has lost its end goes on from a lower Offset, with a higher Term.
type Recaller interface {
	// Remember says what has history. It is called before Receive, and again when that changes. What it asks for in vain,
	// Healthy tells. Where Has is nil nothing has history any more; what is watched then goes on as it did, until it is
	// watched anew, and Recall answers of it.
	Remember(Keep)
	// Recall brings what w asks for, as far as it was not delivered already. done runs once, on a goroutine of the bus,
	// when it was, and when this node has come as far as w.After, or after some seconds without. It must not block. The destination
	// has history, and is watched.
	Recall(destination string, w Wish, done func(Recalled))
}

// Adviser is a Recaller that can say what of a Keep its broker will not have.
type Adviser interface {
	// Advise asks the broker, and returns what an operator should change there or in the rules so that all of k can be
	// had, each in words of its own: nil for nothing. The bus need not receive. The error is why that can't be told.
	Advise(ctx context.Context, k Keep) ([]string, error)
}

// Wide reports whether a Narrower takes watch for a pattern.
func Wide(watch string) bool {
	if !strings.Contains(watch, "*") {
		return false // as most are, and it costs no memory
	}
	parts := strings.Split(watch, "/")
	return slices.Contains(parts, "*") || parts[len(parts)-1] == "**"
}

// Node returns the name of the node that holds the session of the given principal, which is the
// part before the last two slashes of "<epoch>/<uuid>/<sessionId>/<connectDatetime>". ok is false
// for any other form.
func Node(principal string) (node string, ok bool) {
	parts := strings.Split(principal, "/")
	if len(parts) != 4 || slices.Contains(parts, "") {
		return "", false
	}
	return parts[0] + "/" + parts[1], true
}
