package natsbus

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
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

// watchTrail is Watch for a destination with history. ready hears yes when the stream has said where it is.
func (b *Bus) watchTrail(destination string, ready func(error)) {
	subject := historySubject(b.cfg.Prefix, destination)
	t := &trail{
		bus: b, destination: destination, subject: subject, ready: ready, lane: b.watches.laneOf(subject),
		raw: string(appendSubject(nil, b.cfg.Prefix, destination)),
	}
	b.history.trailed.Store(true)
	b.watch(subject, destination, t, t.subscribed)
}

// subscribed hears what the server says of the subscription, and that it takes it back.
func (t *trail) subscribed(err error) {
	if err == nil {
		t.bus.history.ask(t, false)
		return
	}
	t.end()
	t.telling.Lock()
	defer t.telling.Unlock()
	t.ready(err)
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

// end has nobody wait for it any more.
func (t *trail) end() {
	if t.ended.Swap(true) {
		return
	}
	t.bus.history.forget(t)
	t.lane.post(func(func(bus.Envelope)) {
		t.letGo()
		t.mending.drop()
		t.reaching.drop()
		for _, r := range t.recalls {
			r.answer(bus.Recalled{Err: errNotWatched})
		}
		t.recalls = nil
	})
}

var errNotWatched = errors.New("natsbus: the destination is not watched, or has been since before it had history")

// arrived takes what the server has published again.
func (t *trail) arrived(msg *nats.Msg, deliver func(bus.Envelope)) {
	m, ok := t.parse(msg)
	switch {
	case !ok:
		t.bus.skipped.Add(1)
		t.bus.log.Debug("NATS message where only a stream publishes", "destination", t.destination)
	case t.phase == following:
		t.follow(m, deliver)
		if len(t.recalls) > 0 { // it may have begun anew, and then nobody fetches for them any more
			t.answerRecalls()
		}
	default:
		t.hold(m)
	}
}

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

// follow delivers m if it is what comes next, and asks if it can't be.
func (t *trail) follow(m message, deliver func(bus.Envelope)) {
	asked := t.doubted == m.seq // the stream has been asked about it, and there was nothing to fetch
	switch {
	case m.seq <= t.last && t.early && m.seq > t.pastTo:
		t.restart(m.seq - 1) // it was stored while the watch began
		t.deliver(m, deliver)
	case m.seq <= t.last && (m.seq <= t.explained || asked):
		t.bus.history.lookSoon() // twice, unless the log has lost its end
	case m.seq <= t.last:
		t.doubt(m, true)
	case t.stored && m.prev == t.last, m.prev == 0 && t.unbroken(m):
		t.deliver(m, deliver)
	case !asked:
		t.doubt(m, m.prev < t.last)
	case m.seq > t.far: // it is of a stream that was there before, and late; or the leader lags, and then it is fetched
		t.bus.history.lacks(t)
	default: // something may have been between, which is there no more
		t.tellHole(m.seq-1, 0, deliver)
		t.deliver(m, deliver)
	}
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

// restart has the trail begin at seq, or go on behind a hole. What was fetched before says nothing any more.
func (t *trail) restart(seq uint64) {
	t.since, t.count, t.whole = seq, 0, false
	t.recent, t.proved = nil, place{}
	t.stopReaching()
	for _, r := range t.recalls {
		r.fetched, r.all = nil, nil
	}
}

// stopReaching has the past not fetched that is under way. Who still waits for it asks again.
func (t *trail) stopReaching() {
	t.reaching.drop()
	t.again(t.reaching)
	t.reaching = nil
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
		Destination: t.destination, Member: memberOf(m.msg.Header), Watch: t.destination,
		Headers: decodeHeaders(m.msg.Header), Body: m.msg.Data, Mark: &t.lane.mark,
	})
}

// tellHole says that what lies at offset and before it may be missing, and goes on behind it. It is of an event, or with 0 one of its own.
func (t *trail) tellHole(offset uint64, event uint32, deliver func(bus.Envelope)) {
	if offset != bus.Ended {
		t.restart(offset)
		t.complete = max(t.complete, offset)
	}
	t.lane.mark = bus.Mark{At: bus.Position{Log: t.log, Offset: offset}, Published: time.Now().UnixMilli(), Hole: true, Event: event}
	deliver(bus.Envelope{Destination: t.destination, Watch: t.destination, Mark: &t.lane.mark})
}

// endLog says that the log is another one now. What waits may be of the old one; what is of the new one is asked for.
func (t *trail) endLog(deliver func(bus.Envelope)) {
	t.tellHole(bus.Ended, 0, deliver)
	t.letGo()
	t.phase, t.lossy = fresh, true
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

// answered hears what the stream has said, in the era of now.
func (t *trail) answered(a answer, now *era, deliver func(bus.Envelope)) {
	if t.ended.Load() || now.number < t.era || a.asked.Before(t.wanted) { // another answer is to come
		return
	}
	t.asking, t.asked, t.far = false, a.asked, max(a.last.seq, a.end(now))
	if t.phase != fresh && (t.era != now.number || t.contradicts(a)) {
		t.endLog(deliver)
	}
	switch {
	case t.phase == fresh:
		t.begin(a, now)
	case a.last.seq > t.last:
		t.phase, t.to, t.streamEnd = behind, a.last.seq, now.last
	case a.last.seq > 0:
		t.complete = max(t.complete, now.last)
	case t.phase == following && now.last >= t.last:
		t.emptied(a, now, deliver)
	default: // what is about to be delivered was removed already: it stays in doubt
		a.sub = nil
	}
	if a.sub != t.sub {
		t.failures = 0
	}
	t.sub, t.lost = a.sub, a.lost
	t.settle(deliver)
	t.begun()
}

// contradicts reports whether the stream is another one than that which the trail has followed.
func (t *trail) contradicts(a answer) bool {
	last := a.last
	if !t.stored {
		return 0 < last.seq && last.seq <= t.complete
	}
	return last.seq == t.last && last.term != t.term && t.term != 0 || 0 < last.seq && last.seq < a.known
}

// begin has the trail start at the end of a log.
func (t *trail) begin(a answer, now *era) {
	t.mending.drop()
	t.mending = nil
	t.era, t.log, t.seen, t.phase, t.doubted, t.to = now.number, now.log, now.seen, following, 0, 0
	at, since := a.last, a.last.seq
	if t.stored = at.seq > 0; !t.stored {
		at, since = now.place(), a.end(now) // all that is stored up to there is of other subjects
	}
	t.restart(since)
	t.last, t.term, t.explained, t.pastTo = at.seq, at.term, at.seq, 0
	t.complete, t.whole, t.early, t.failures = max(since, now.last), !t.stored, true, 0
	t.delivered.Store(0)
}

// emptied hears that nothing of the subject is stored. It may be that something came and went while nobody listened.
func (t *trail) emptied(a answer, now *era, deliver func(bus.Envelope)) {
	if (a.sub != t.sub || a.lost != t.lost) && a.first > t.complete+1 {
		t.tellHole(a.end(now), 0, deliver)
	}
	at := now.place()
	t.last, t.term, t.stored, t.complete = at.seq, at.term, false, max(t.complete, at.seq)
}

// settle does what is to be done next: fetch what is missing, deliver what waited for it, answer who asks.
func (t *trail) settle(deliver func(bus.Envelope)) {
	if t.phase == behind && !t.asking && t.mending == nil {
		if t.to > t.last {
			t.mending = &want{trail: t, log: t.log, from: t.last, term: t.term, at: t.complete, to: t.to, end: t.streamEnd}
			t.bus.history.repairs.fetch(t.mending)
			return
		}
		t.phase, t.explained = following, t.last
	}
	if t.phase != following {
		return
	}
	t.drain(deliver)
	if t.phase == following && t.lossy {
		t.lossy = false
		t.bus.history.lacks(t)
	}
	t.answerRecalls()
}

// drain delivers what was held, until something is missing again.
func (t *trail) drain(deliver func(bus.Envelope)) {
	for _, m := range t.letGo() {
		if t.phase == following {
			t.follow(m, deliver)
		} else {
			t.hold(m)
		}
	}
}

// bring delivers a part of what w wants.
func (t *trail) bring(w *want, part []message, deliver func(bus.Envelope)) {
	if t.ended.Load() || w != t.mending && w != t.reaching || w == t.mending && w.cut {
		return
	}
	for _, m := range part {
		switch {
		case w.past && m.seq <= t.since:
			at := place{m.seq, term(m.msg.Header, m.msg.Data)}
			t.pastTo = m.seq
			w.brought = append(w.brought, at)
			t.handOn(m, at.term, true, deliver)
		case !w.past && m.seq > t.last:
			if w.gap && !w.told {
				w.told, w.event = true, rand.Uint32()
				t.tellHole(m.seq-1, w.event, deliver)
			}
			t.deliver(m, deliver)
		}
	}
}

// brought ends w.
func (t *trail) brought(w *want, deliver func(bus.Envelope)) {
	if t.ended.Load() || w != t.mending && w != t.reaching {
		return
	}
	w.done = w.err == nil
	if w.past {
		t.reaching = nil
	} else {
		t.mending = nil
	}
	switch {
	case w.err != nil:
		t.failed(w, deliver)
	case w.past:
		t.reachBack(w)
	case w.cut: // what it followed is another one now
		t.endLog(deliver)
		t.ask(true)
	default:
		t.mend(w, deliver)
	}
	t.settle(deliver)
}

// failed has it tried again, after a while. What can't be mended for long is a hole: then the trail goes on, and the
// node is not healthy.
func (t *trail) failed(w *want, deliver func(bus.Envelope)) {
	if _, ok := t.bus.fetchLog.Pass(); ok {
		t.bus.log.Warn("history can't be fetched, still retrying", "destination", t.destination, "err", w.err)
	}
	t.again(w)
	if !w.past && !errors.Is(w.err, context.Canceled) { // else the connection has ended
		t.failures++
	}
	if !w.past && t.failures >= mostFailures {
		t.bus.history.fault.Store(&w.err)
		t.giveUp(w, deliver)
		return
	}
	t.asking = true // at the next beat
	t.bus.history.lacks(t)
}

// giveUp goes on behind what w was to bring: with what waits, if there is something.
func (t *trail) giveUp(w *want, deliver func(bus.Envelope)) {
	if t.phase, t.explained = following, t.last; len(t.held) > 0 {
		t.doubted = t.held[0].seq
		return
	}
	t.tellHole(w.to, 0, deliver)
	t.last, t.term, t.stored = w.to, 0, false
}

// mend ends the fetching of what was missing.
func (t *trail) mend(w *want, deliver func(bus.Envelope)) {
	t.failures = 0
	if t.last < w.to { // what there was is gone
		t.last, t.term, t.stored = w.to, 0, false
	}
	if t.complete = max(t.complete, t.last, w.end); !w.whole {
		t.tellHole(t.last, w.event, deliver)
	}
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
