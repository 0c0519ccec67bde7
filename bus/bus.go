// Package bus defines what the gateway needs from a message broker: to carry envelopes between nodes.
//
// A broker is one package below this one (kafkabus, natsbus, membus), one line in the table of
// cmd/stompgw, and a test that calls bustest.Run. Nothing here knows of brokers, sockets or STOMP.
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

// ErrTooLarge reports an envelope over the broker's own limit.
var ErrTooLarge = errors.New("bus: larger than the broker takes")

// ErrDestination reports a destination that the broker has no name for, mostly because it is too long.
var ErrDestination = errors.New("bus: the destination can't be carried")

// ErrContent reports an envelope that is not UTF-8 text, on a bus that only carries text.
var ErrContent = errors.New("bus: not UTF-8 text")

// ErrHistory reports that part of the past is unavailable, while the bus carries everything published.
var ErrHistory = errors.New("bus: not all history can be had")

// ErrTarget reports a target that the bus sends nothing to.
var ErrTarget = errors.New("bus: no target of this bus")

// ErrCrowded reports a watch that the broker has no room for; it may have room later.
var ErrCrowded = errors.New("bus: the broker takes no more subscriptions")

// ErrUntried is what Healthy says until a broker has answered for the first time, or failed to. Whoever has waited meanwhile has run out
// of time: to errors.Is it is a context.DeadlineExceeded, too.
var ErrUntried error = untried{}

type untried struct{}

func (untried) Error() string { return "not tried yet" }

// Is is for errors.Is.
func (untried) Is(target error) bool { return target == context.DeadlineExceeded }

// Header is one header entry of an envelope. Name and Value are what the client meant, that is,
// without STOMP's escapes; both may hold any bytes.
type Header struct {
	Name, Value string
}

// Envelope is one message crossing the bus. It holds nothing that proves who sent it.
type Envelope struct {
	Destination string   // such as "/topic/chat", never empty
	Principal   string   // set: only the session of that name receives it; empty: all subscribers
	Member      string   // the sender, if subscribers see it: the member's name in its destinations; neither clients nor sources can set it
	Headers     []Header // in the sender's order, including content-type and repeated ones
	Body        []byte   // any bytes
	Watch       string   // set on delivery by a Narrower: the watch that brought it
	Mark        *Mark    // set on delivery by a Recaller, if the destination has history
}

// Bus carries envelopes between nodes. Its methods may be called from any goroutine.
//
// It never gives up: whatever ends its connection to the broker, and whatever the broker says, it reconnects
// until Close, and Healthy reports on that. What it publishes for one caller, even if the broker does not take
// it, costs others no more than a short gap, and what the broker is known to refuse is not sent again.
type Bus interface {
	// Publish queues e and returns at once; it never waits for a network. The bus keeps e, and the
	// caller must not change what e refers to. done runs once, on a goroutine of the bus, and must not
	// block. It gets nil when the broker has confirmed that it took e, ErrUnknown or ErrDown when it
	// did not confirm that in time, or why it can't. When Publish returns an error (ErrFull, ErrDown,
	// ErrClosed, or that e can't be carried), done never runs.
	Publish(e Envelope, done func(error)) error
	// Receive hands deliver what any node publishes, this one included, in order for each
	// destination, until ctx ends; then it returns nil. It is called once. It calls ready once,
	// when everything published from then on will be delivered (to a Narrower's watches, and to
	// this node's principals). deliver may run on several goroutines at once for different
	// destinations, may block (a loop's inbox is full), and borrows e only for the call.
	Receive(ctx context.Context, ready func(), deliver func(e Envelope)) error
	// Healthy returns nil while the broker answers, else why not, in words for an operator. It is an
	// ErrHistory if only a Recaller's history is affected.
	Healthy() error
	// Close refuses new envelopes, waits for outstanding done calls until ctx ends, and leaves.
	// The done of an envelope that ctx cuts off gets ErrUnknown.
	Close(ctx context.Context) error
}

// Narrower is a bus that can deliver only what is asked for.
//
// A watch is a destination or, if Wide says so, a pattern: between slashes, a part "*" stands for
// any one part, even an empty one, and a last part "**" for one or more parts. Every other part is
// literal text, whatever characters it holds, and what begins with a slash is never matched by what
// does not. On such a bus a broadcast envelope arrives once for each watch that it matches, each
// time with Watch set to it; the copies of one watch are in order for each destination.
type Narrower interface {
	// Watch asks for what is published to the destinations that watch names, from the moment that
	// ready runs with nil. ready runs on a goroutine of the bus, and must not block; an error says why
	// the watch does not exist. What this node publishes after Watch returned arrives whether or not
	// ready has run. A watch is asked for only once at a time: the router counts.
	//
	// A bus can take back its consent, as when a broker's permissions change: after nil, ready runs
	// once more with the reason, and the watch no longer exists. It does not come back by itself:
	// whoever wants it calls Watch again, which asks the broker anew. After Unwatch, ready is told
	// nothing. Losing the connection to the broker and restoring it ends no watch.
	Watch(watch string, ready func(error))
	// Unwatch ends a watch. Envelopes already on their way may still arrive.
	Unwatch(watch string)
}

// Mark is what a Recaller knows of an envelope.
type Mark struct {
	At        Position
	Published int64  // in Unix milliseconds, as the broker has it, else this node
	Past      bool   // it was published before: only for the node's memory, never for subscribers
	Hole      bool   // it is not a message: see Recaller
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
	Log    uint64 // which log it is; one made anew with the same name is another log
	Term   uint32 // differs once the log has lost its end, though the place is the same; 0 is unknown, see Recalled
	Offset uint64 // grows along the log, but not always by one
}

// Ended is the Offset of a Hole for a log that no longer exists.
const Ended = math.MaxUint64

// Keep says what a node keeps of what was published.
type Keep struct {
	Patterns []string                      // of the rules; each destination with history matches one of them
	Without  []string                      // of rules without history that come before one of those and take what they match
	Has      func(destination string) bool // whether a destination has history; called often, from any goroutine
	Size     int                           // envelopes of one destination, at most
	Age      time.Duration                 // how long, at most
	Bytes    int                           // of all envelopes together, at most
}

// Wish says how far a subscriber has read a destination, or how much of its past it asks for.
type Wish struct {
	After []Position    // the last that it has seen of each log; none: it begins now
	Told  time.Time     // when a node told it After
	Away  time.Duration // for how long it has heard nothing, not even a heart-beat; 0 is unknown
	Last  int           // how many of the last ones are enough; 0: none, unless they come after After
}

// Recalled is what a bus answers to a Wish.
type Recalled struct {
	// Head is the position of a subscriber that begins now: how far each log in which the destination's next envelope may
	// come has been delivered. It may be cut short if there are many.
	Head []Position
	// Whole says that each position of After is in a log that is still what it was, and that everything behind it has been
	// delivered, at some time since Receive began or since the destination was watched.
	// If the Term is unknown, this holds unless something shows that the log may have lost its end since.
	Whole bool
	// Err is why it is not whole, in words for an operator. ErrDown, ErrFull and ErrClosed say that this could not be found
	// out, or that not all of Last could be brought; with any other error, asking again does not help.
	Err error
}

// Recaller is a bus that can bring what was published before.
//
// deliver gets the envelopes of a destination with history in the order of their log, each once, with a Mark: as Past, if
// they were published before Receive began or before the destination was watched. Duplicates are dropped before that, except
// for the Past, which comes again if it could not be brought whole at first; and what is missing is brought first. What can't be
// brought any more, because the broker has removed it, is reported by a Hole: an empty Destination means all of the log, and
// what lies at At and before it may be missing. At Ended the log no longer exists, and what is known of it is to be forgotten.
// Holes with the same Event belong to one event, as when a topic of many logs is made anew, and a subscriber is told of it once;
// with 0 each is an event of its own. A log that has lost its end goes on from a lower Offset, with a higher Term.
type Recaller interface {
	// Remember says what has history. It is called before Receive, and again when that changes. Healthy reports what it
	// asks for in vain. If Has is nil, nothing has history any more; what is watched then goes on as before until it is
	// watched anew, and Recall answers for it.
	Remember(Keep)
	// Recall brings what w asks for, except what was delivered already. done runs once, on a goroutine of the bus, when
	// that was delivered and this node has come as far as w.After, or after some seconds without. It must not block. The
	// destination has history, and is watched.
	Recall(destination string, w Wish, done func(Recalled))
}

// Adviser is a Recaller that can say which part of a Keep its broker will not keep.
type Adviser interface {
	// Advise asks the broker, and returns what an operator should change there or in the rules so that all of k can be
	// kept, one text for each change: nil for nothing. The bus need not receive. The error says why it could not find out.
	Advise(ctx context.Context, k Keep) ([]string, error)
}

// Wide reports whether a Narrower treats watch as a pattern.
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
