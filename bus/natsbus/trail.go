package natsbus

import (
	"errors"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
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

// begun tells the watch, once.
func (t *trail) begun() {
	if t.told {
		return
	}
	t.told = true
	t.telling.Lock()
	defer t.telling.Unlock()
	if !t.ended.Load() {
		t.ready(nil)
	}
}

var errNotWatched = errors.New("natsbus: the destination is not watched, or has been since before it had history")

// parse reads what the server says of msg. ok is false for what somebody else has published.
func (t *trail) parse(msg *nats.Msg) (m message, ok bool) {
	seq, errSeq := strconv.ParseUint(lastValue(msg.Header, sequenceHeader), 10, 64)
	prev, errPrev := strconv.ParseUint(lastValue(msg.Header, previousHeader), 10, 64)
	ok = errSeq == nil && errPrev == nil && prev < seq &&
		lastValue(msg.Header, streamHeader) == t.bus.history.stream && lastValue(msg.Header, subjectHeader) == t.raw
	at := time.Now()
	if stored, err := time.Parse(time.RFC3339Nano, lastValue(msg.Header, timeHeader)); err == nil && at.Sub(stored).Abs() < mostLate {
		at = stored
	}
	return message{seq, prev, at.UnixMilli(), msg}, ok
}

func lastValue(h nats.Header, name string) string {
	values := h[name]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// unbroken reports whether m came over the subscription that the stream's last answer was about, and nothing was lost
// before it. Then all has come that was stored since, though the stream may not have it any more.
func (t *trail) unbroken(m message) bool {
	return m.msg.Sub == t.sub && t.lostBy(t.sub) == t.lost
}

// lostBy is how often sub, which brings t's messages, may have lost some; a number that grows.
func (t *trail) lostBy(sub *nats.Subscription) uint64 {
	n, err := sub.Dropped()
	if err != nil { // it has ended
		return math.MaxUint64
	}
	return t.drops.Load() + t.bus.history.elections.Load() + uint64(n)
}

// doubt asks the stream, and lets m wait; again looks first whether it is another one.
func (t *trail) doubt(m message, again bool) {
	t.doubted, t.phase, t.to = m.seq, behind, 0
	t.hold(m)
	t.ask(again)
}

func (t *trail) ask(again bool) {
	t.asking, t.wanted = true, time.Now()
	t.bus.history.ask(t, again)
}

// hold lets m wait. What finds no room is fetched later.
func (t *trail) hold(m message) {
	n := weight(m.msg)
	if len(t.held) >= mostHeld || len(t.held) > 0 && t.lane.heldBytes+n > t.lane.maxBytes/4 {
		t.lossy = true
		return
	}
	t.lane.heldBytes += n
	t.held = append(t.held, m)
}

// letGo returns what was held.
func (t *trail) letGo() (held []message) {
	held, t.held = t.held, nil
	for _, m := range held {
		t.lane.heldBytes -= weight(m.msg)
	}
	return held
}

// deliver hands on m, which comes next.
func (t *trail) deliver(m message, deliver func(bus.Envelope)) {
	t.last, t.term, t.stored, t.early = m.seq, term(m.msg.Header, m.msg.Data), true, false
	t.complete = max(t.complete, m.seq)
	if len(t.recent) == 2*mostRecent {
		t.recent = t.recent[:copy(t.recent, t.recent[mostRecent:])]
	}
	t.recent = append(t.recent, place{t.last, t.term})
	t.count++
	t.delivered.Store(m.seq)
	saw(t.seen, m.seq)
	t.handOn(m, t.term, false, deliver)
}

// handOn has deliver get m, as the past or as what comes now.
func (t *trail) handOn(m message, term uint32, past bool, deliver func(bus.Envelope)) {
	t.lane.mark = bus.Mark{At: bus.Position{Log: t.log, Term: term, Offset: m.seq}, Published: m.at, Past: past}
	deliver(bus.Envelope{
		Destination: t.destination, Watch: t.destination, Headers: decodeHeaders(m.msg.Header), Body: m.msg.Data, Mark: &t.lane.mark,
	})
}

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

// end is how far the stream had come when it had nothing of the subject. What it has removed since it was looked at may have been of it.
func (a answer) end(now *era) uint64 { return max(now.last, max(a.first, 1)-1) }

// contradicts reports whether the stream is another one than that which the trail has followed.
func (t *trail) contradicts(a answer) bool {
	last := a.last
	if !t.stored {
		return 0 < last.seq && last.seq <= t.complete
	}
	return last.seq == t.last && last.term != t.term && t.term != 0 || 0 < last.seq && last.seq < a.known
}

// reachBack ends the fetching of what was before.
func (t *trail) reachBack(w *want) {
	t.whole = t.whole || w.all
	switch {
	case !w.whole:
	case w.proof:
		t.proved = place{w.from, w.term}
	default:
		if t.count == len(t.recent) { // it has all behind since
			t.recent = append(w.brought, t.recent...)
			t.recent = t.recent[max(len(t.recent)-mostRecent, 0):]
		}
		if t.since = w.from; w.own {
			t.since-- // it was delivered too
		}
		t.count += len(w.brought)
	}
}

// head is where one stands that begins now.
func (t *trail) head() []bus.Position {
	if t.log == 0 {
		return nil
	}
	return []bus.Position{{Log: t.log, Term: t.term, Offset: t.last}}
}
