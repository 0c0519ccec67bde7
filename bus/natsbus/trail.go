package natsbus

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// What a server adds to a message of a stream that it publishes again. A publisher may write the same names: the
// server's values come last.
const (
	streamHeader   = "Nats-Stream"
	subjectHeader  = "Nats-Subject"
	sequenceHeader = "Nats-Sequence"
	previousHeader = "Nats-Last-Sequence" // of the same subject, as far as it is stored; 0 is unknown
	timeHeader     = "Nats-Time-Stamp"    // of servers since 2.10
)

// message is one that the stream has stored.
type message struct {
	seq, prev uint64
	at        int64 // when it was stored, in Unix milliseconds, or else when it came
	msg       *nats.Msg
}

// phase is how far a trail has come.
type phase int

const (
	fresh     phase = iota // the stream has yet to say what it has
	behind                 // something is missing that was stored before what came: that waits
	following              // it has all
)

// mostLate is by how much a message's time may differ from a node's. Servers before 2.10 add none, and what stands there is
// anybody's.
const mostLate = 5 * time.Minute

// mostHeld is how many messages of one trail wait for others that have to come before.
const mostHeld = 4096

// mostFailures is how often it is tried to fetch what is missing, a beat apart, while live messages wait.
const mostFailures = 5

// mostRecent is how many places a trail remembers, of the last messages that were delivered.
const mostRecent = 128

// trail is what of one watched destination was delivered: all that the stream has, or had, behind since, up to
// complete. It begins where the stream was when the watch's subscription was made, and goes on without a hole: each message
// names the one before it, and what is missing is fetched before it is delivered. What came before its beginning is
// fetched when it is asked for.
type trail struct {
	// Never changed.
	bus         *Bus
	destination string
	subject     string // that it hears
	raw         string // that is published to
	lane        *lane
	ready       func(error) // of the watch
	ended       atomic.Bool
	telling     sync.Mutex    // that ready runs, so that a no comes after a yes
	delivered   atomic.Uint64 // a message that the stream has, as new as any that was delivered
	drops       atomic.Uint64 // times that its lane, or its subscription at first, had no room

	// Owned by the goroutine that delivers the lane.
	phase     phase
	told      bool // ready has run
	era       uint64
	log       uint64
	seen      *atomic.Uint64 // of the era
	last      uint64         // the subject's last message, or the stream's when the subject had none
	term      uint32         // of that place
	stored    bool           // it is the subject's
	since     uint64
	complete  uint64
	sub       *nats.Subscription // that the stream's answer was about
	lost      uint64             // what it had lost then: as long as that is all, what comes next came next
	recent    []place            // the last that were delivered, without a gap
	proved    place              // that was asked about last, and stands
	count     int                // messages behind since
	whole     bool               // that is all that is stored
	early     bool               // none has come yet since the beginning
	pastTo    uint64             // up to where the past was delivered
	explained uint64             // up to where a message that comes twice is no surprise
	doubted   uint64             // the message that was last asked about
	asking    bool
	wanted    time.Time // since when
	asked     time.Time // when it asked what was answered last
	to        uint64    // what the stream had last of it then
	streamEnd uint64    // and of all
	far       uint64    // the stream had come at least so far
	mending   *want     // what is missing
	reaching  *want     // what came before since
	failures  int       // to mend, one after the other
	held      []message
	lossy     bool // too many waited
	recalls   []*recall
}

var errNotWatched = errors.New("natsbus: the destination is not watched, or has been since before it had history")

// answer is what the stream has last of a trail's subject.
type answer struct {
	trail *trail
	asked time.Time
	known uint64             // the trail had delivered this one before
	sub   *nats.Subscription // that it had before; nil: none
	lost  uint64             // by that
	last  place
	first uint64 // of the stream, asked after
}
