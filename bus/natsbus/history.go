package natsbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/seldom"
)

// What has history goes through a stream (stream.go), and what a node has delivered of one destination is its
// trail (trail.go), which the goroutine of its lane owns. Some goroutines of each connection work for the trails:
// the keeper looks after the stream and asks it what it has last of a subject, and the fetchers (fetch.go) bring
// what is missing. What they learn, they hand to the lane.
//
// A stream is known by the moment at which it was made. One that was made anew, and one that has lost its end as a
// server lost its power, is another log. The keeper finds out on each connection, and when a trail meets a
// number that it can't explain.

// History says how a node keeps history, and is part of Config. None of it costs anything before Remember.
type History struct {
	Stream   string // its name; default STOMPGW, followed by the Prefix if that is not stomp
	Existing bool   // never create or change it
	Trial    bool   // create and change nothing, only find out whether it could; Healthy tells
	Replicas int    // of a stream that is created; default 1
	Bytes    int64  // that it may take, default 1 GiB
}

// defaultStream is the name of the stream of nodes with that prefix.
func defaultStream(prefix string) string {
	if prefix == "stomp" {
		return "STOMPGW"
	}
	return "STOMPGW_" + string(appendToken(nil, prefix))
}

// beat is how often the keeper looks whether something was dropped, or waits in vain.
const beat = time.Second

// glance is how often the keeper looks at the stream though nothing tells it to, at most; up to three times as long goes
// by, by chance, as all nodes do. A stream that was deleted says nothing, if somebody hears what is published to it.
const glance = 10 * time.Second

// again is after how long, about, it looks again after it has changed the stream.
const again = time.Second / 2

// lateAck is for how long the stream may owe an answer to what was published to it, before that is a silence.
const lateAck = 2 * time.Second

// askers is how many questions about subjects are under way at once.
const askers = 16

// history is what a bus knows of the past.
type history struct {
	// Never changed.
	prefix, stream string
	create, trial  bool
	replicas       int
	bytes          int64
	patience       time.Duration // with the stream, before it can't be used
	glance, again  time.Duration

	keep      atomic.Pointer[bus.Keep] // nil: nothing has history
	wake      chan struct{}            // the keeper; has room for one signal
	repairs   *fetcher                 // what is missing between what came and what comes
	pasts     *fetcher                 // what came before
	fault     atomic.Pointer[error]    // why what is missing can't be fetched; nil: it can
	cause     atomic.Pointer[error]    // why the stream can't be used; nil: it can
	left      atomic.Pointer[leftOut]  // nil: nothing
	later     atomic.Bool              // what has history is another than at the start: what of it can't be had makes no node unready
	silence   silence                  // of the stream
	trailed   atomic.Bool              // something with history was watched
	elections atomic.Uint64            // of servers that lead the stream, as far as this node knows (election.go)

	mu      sync.Mutex
	changed bool             // the stream may have
	elected bool             // another server leads it, and trails have yet to ask that one
	leader  string           // empty before it was heard of, and where there is one server alone
	asking  map[*trail]bool  // who has a question
	missed  map[*trail]bool  // who may lack something, and asks at the next beat
	slow    map[*trail]*slow // whose subscription has dropped something
	recalls map[*recall]bool // that have no answer yet
	now     *era             // nil before the stream was found
	ackFrom uint64           // the acks behind this number are of the present log

	failLog seldom.Line

	// The keeper's.
	nextLook time.Time
	known    uint64 // the stream's last, when all trails were asked
	alters   bool   // it has just changed the stream
	unsure   uint64 // the number of an ack: up to it they may have been owed by a stream that was not there
}

// era is a log, as far as it is known to go on.
type era struct {
	number uint64 // grows with each log, and each loss of an end
	log    uint64
	last   uint64 // the stream's, when it was asked
	end    record // that message, or an earlier one if it was gone
	asked  time.Time
	seen   *atomic.Uint64 // the highest number that anybody has seen in it
}

// place is where a destination stands of which the log has no message.
func (e *era) place() place {
	if e.end.seq == e.last {
		return e.end.place
	}
	return place{seq: e.last}
}

// slow is what a trail's subscription has dropped.
type slow struct {
	sub     *nats.Subscription
	dropped uint64 // as of the last beat
}

func newHistory(cfg Config) *history {
	return &history{
		prefix: cfg.Prefix, stream: cfg.History.Stream, create: !cfg.History.Existing, trial: cfg.History.Trial, replicas: cfg.History.Replicas, bytes: cfg.History.Bytes,
		patience: cfg.Silence, glance: glance, again: again,
		wake:    make(chan struct{}, 1),
		repairs: newFetcher(),
		pasts:   newFetcher(),
		asking:  make(map[*trail]bool),
		missed:  make(map[*trail]bool),
		slow:    make(map[*trail]*slow),
		recalls: make(map[*recall]bool),
		failLog: seldom.Line{Every: time.Minute},
	}
}

// has reports whether a destination has history. One that does not begin with a slash has none, as the server
// can't publish it again.
func (h *history) has(destination string) bool {
	keep := h.keep.Load()
	return keep != nil && strings.HasPrefix(destination, "/") && keep.Has(destination)
}

// Remember implements bus.Recaller. What is watched already stays as it is, with or without history, even when nothing has
// history any more.
func (b *Bus) Remember(keep bus.Keep) {
	h := b.history
	keep.Patterns = slices.DeleteFunc(slices.Clone(keep.Patterns), func(pattern string) bool { return cover(h.prefix, pattern) == nil })
	if keep.Has == nil || len(keep.Patterns) == 0 {
		h.keep.Store(nil)
		h.cause.Store(nil)
		h.left.Store(nil)
		h.fault.Store(nil)
		h.silence.answered()
		return
	}
	h.mu.Lock()
	before := h.keep.Swap(&keep)
	h.later.Store(before != nil)
	h.changed = true // so that who watches what is new has its answer from a stream that captures it
	h.mu.Unlock()
	if before == nil {
		h.fail(errors.New("not asked yet"))
	}
	signal(h.wake)
}

// works reports whether the keeper has something to do: there is history, or somebody follows what had.
func (h *history) works() bool { return h.keep.Load() != nil || h.trailed.Load() }

// fail notes that the stream can't be used, and returns false if that may pass: while a cluster elects, nobody answers.
func (h *history) fail(err error) bool {
	h.silence.asked()
	if h.cause.Load() == nil && errors.Is(err, errNoAnswer) && h.silence.length() < h.patience {
		return false
	}
	h.cause.Store(&err)
	return true
}

// refresh has the keeper look at the stream.
func (h *history) refresh() {
	h.mu.Lock()
	h.changed = true
	h.mu.Unlock()
	signal(h.wake)
}

// saw notes that a log has given the number seq; seen is its highest one.
func saw(seen *atomic.Uint64, seq uint64) {
	for {
		highest := seen.Load()
		if seq <= highest || seen.CompareAndSwap(highest, seq) {
			return
		}
	}
}

// stored notes the number that the stream has given to an envelope. An answer can be late, and of a log that is there no more.
func (h *history) stored(ack, seq uint64) {
	h.silence.answered()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now != nil && ack > h.ackFrom {
		saw(h.now.seen, seq)
	}
}

// lookSoon has the keeper look at the stream at the next beat.
func (h *history) lookSoon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = true
}

// ask has the keeper ask the stream what it has last of t's subject; again looks at the stream first.
func (h *history) ask(t *trail, again bool) {
	h.mu.Lock()
	h.asking[t] = true
	h.changed = h.changed || again
	h.mu.Unlock()
	signal(h.wake)
}

// lacks notes that t may have missed something: it is asked for at the next beat.
func (h *history) lacks(t *trail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missed[t] = true
}

// forget ends what is done for t.
func (h *history) forget(t *trail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.asking, t)
	delete(h.missed, t)
	delete(h.slow, t)
}

// takeAsking returns who has a question.
func (h *history) takeAsking() (trails []*trail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for t := range h.asking {
		trails = append(trails, t)
	}
	clear(h.asking)
	return trails
}

// takeChanged reports whether the stream is to be looked at: something has happened, or it is time, or there are questions
// and nobody has looked for a while.
func (h *history) takeChanged() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	look := h.changed || h.now == nil || !time.Now().Before(h.nextLook) || len(h.asking) > 0 && time.Since(h.now.asked) > beat
	h.changed = false
	if look {
		h.nextLook = time.Now().Add(h.glance + rand.N(2*h.glance))
	}
	return look
}

// present is the log of now; nil before it is known.
func (h *history) present() *era {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// highest is the highest number that anybody has seen in the log of now.
func (h *history) highest() uint64 {
	if now := h.present(); now != nil {
		return now.seen.Load()
	}
	return 0
}

// keepHistory looks after the stream and answers questions until ctx ends.
func (b *Bus) keepHistory(ctx context.Context, c *conn) {
	h := b.history
	for !h.works() {
		if !await(ctx, h.wake) {
			return
		}
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for begun := false; ; {
		if h.works() {
			if err := b.turnHistory(ctx, c, &begun); err != nil && ctx.Err() == nil {
				b.failHistory(err)
				h.refresh()
				await(ctx, time.After(beat))
			}
		}
		select {
		case <-h.wake:
		case <-tick.C:
			b.out.expireAcks(b.cfg.Deadline, math.MaxUint64)
			b.out.expireAcks(lateAck, h.unsure)
			if b.out.acks.late(lateAck) {
				h.silence.asked()
				h.lookSoon()
			}
			h.beat()
		case <-ctx.Done():
			return
		}
	}
}

// failHistory notes that the stream can't be used, and tells the log now and then.
func (b *Bus) failHistory(err error) {
	if !b.history.fail(err) {
		return
	}
	b.logFault("no history: the stream can't be used", err)
}

func (b *Bus) logFault(words string, err error) {
	if left, ok := b.history.failLog.Pass(); ok {
		b.log.Error(words, "stream", b.history.stream, "err", err, "left_out", left)
	}
}

// turnHistory looks at the stream if that is due, and answers the questions there are. On a connection's first
// turn, which begun tells, all trails have one.
func (b *Bus) turnHistory(ctx context.Context, c *conn, begun *bool) error {
	h := b.history
	if !*begun {
		if err := b.hearElections(c); err != nil {
			return err
		}
		if err := c.flush(ctx, requestTimeout); err != nil { // what was watched before is subscribed then
			return err
		}
	}
	if h.trial {
		err := h.tryOut(ctx, c)
		if err == nil {
			h.cause.Store(nil)
		}
		return err
	}
	if h.takeChanged() || !*begun {
		if err := b.lookAtStream(ctx, c); err != nil {
			return err
		}
	}
	if !*begun {
		*begun = true
		b.watches.eachTrail(func(t *trail) { h.ask(t, false) })
	}
	if err := b.answer(ctx, c, h.takeAsking()); err != nil {
		return err
	}
	h.cause.Store(nil)
	if !b.out.acks.late(lateAck) {
		h.silence.answered()
	}
	return nil
}

// lookAtStream has the stream be as it has to, and finds out whether it still is the one it was.
func (b *Bus) lookAtStream(ctx context.Context, c *conn) error {
	h := b.history
	owed, seen := b.out.acks.latest(), uint64(0) // before it is asked
	if now := h.present(); now != nil {
		seen = now.seen.Load()
	}
	h.alters = false
	info, err := h.tend(ctx, c)
	if h.alters {
		h.unsure = owed
	}
	if err != nil {
		return err
	}
	if left := h.left.Load(); left != nil {
		b.logFault("history is incomplete", left.why)
		b.endLeftOut()
	}
	return b.observe(ctx, c, info, seen, owed)
}

// observe compares the stream with what it was; seen is a number that it had given before, and owed the number of the latest
// ack then.
func (b *Bus) observe(ctx context.Context, c *conn, info *streamInfo, seen, owed uint64) error {
	h := b.history
	if before := h.present(); before != nil {
		// A leader that has just been elected may not have come to the end of its log yet.
		for until := time.Now().Add(requestTimeout); before.log == info.log() && info.State.Last < seen && time.Now().Before(until); {
			if !await(ctx, time.After(beat/4)) {
				return ctx.Err()
			}
			var err error
			if info, err = h.inspect(ctx, c); err != nil {
				return err
			}
		}
	}
	end, cut, err := h.compare(ctx, c, info)
	if err != nil {
		return err
	}
	another := h.note(info, end, cut, seen, b.out.acks.latest())
	if another {
		h.unsure = owed
		b.log.Warn("the stream is a new one, or has lost its end: nobody can go on from the old one", "stream", h.stream)
	}
	if turned := h.isTurnedOver(info); h.isLedAnew(info) || another || turned {
		h.known = info.State.Last
		b.watches.eachTrail(func(t *trail) { h.ask(t, false) })
	}
	return nil
}

// compare returns the stream's last message. cut is true if another one stands where the last was before: the log has
// lost its end, and goes on.
func (h *history) compare(ctx context.Context, c *conn, info *streamInfo) (end record, cut bool, err error) {
	if before := h.present(); before != nil && before.log == info.log() && before.end.seq > 0 {
		there, err := h.at(ctx, c, "", before.end.seq)
		if err != nil {
			return end, false, err
		}
		end, cut = before.end, there.seq > 0 && !there.at.Equal(before.end.at)
	}
	if info.State.Last == 0 || info.State.Last == end.seq && !cut {
		return end, cut, nil
	}
	last, err := h.at(ctx, c, "", info.State.Last)
	if last.seq > 0 || cut {
		end = last
	}
	return end, cut, err
}

// note takes over what the stream is, and reports whether it is another log than before. owed is the number of the latest ack.
func (h *history) note(info *streamInfo, end record, cut bool, seen, owed uint64) (another bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := &era{log: info.log(), last: info.State.Last, end: end, asked: time.Now()}
	if h.now != nil {
		another = cut || h.now.log != now.log || now.last < seen
		now.number, now.seen = h.now.number, h.now.seen
	}
	if another || h.now == nil {
		now.number, now.seen = now.number+1, new(atomic.Uint64)
		h.ackFrom = owed
	}
	h.now = now
	saw(now.seen, now.last)
	return another
}

// answer asks the stream for what trails want to know, and tells them when it is still the one that was looked at.
func (b *Bus) answer(ctx context.Context, c *conn, trails []*trail) error {
	if len(trails) == 0 {
		return nil
	}
	h := b.history
	answers, err := b.questionAll(ctx, c, trails)
	if len(answers) == 0 {
		return err
	}
	now := h.present()
	info, gone := h.inspect(ctx, c)
	for a := range answers {
		if info.log() != now.log { // it has been made anew, or does not answer
			h.ask(a.trail, true)
			continue
		}
		a.first = info.State.First
		a.tell(now)
	}
	return cmp.Or(gone, err)
}

// questionAll returns what the stream says. Who has no answer has his question still.
func (b *Bus) questionAll(ctx context.Context, c *conn, trails []*trail) (<-chan answer, error) {
	todo, answers := make(chan *trail), make(chan answer, len(trails))
	failed := make(chan error, askers)
	var wg sync.WaitGroup
	for range min(askers, len(trails)) {
		wg.Go(func() {
			var err error
			for t := range todo {
				a := b.question(t)
				if err == nil {
					a.last, err = b.history.lastOf(ctx, c, t.raw)
				}
				if err != nil {
					b.history.ask(t, false)
					continue
				}
				answers <- a
			}
			failed <- err
		})
	}
	for _, t := range trails {
		todo <- t
	}
	close(todo)
	wg.Wait()
	close(failed)
	close(answers)
	var failure error
	for err := range failed {
		failure = cmp.Or(failure, err)
	}
	return answers, failure
}

// question is an answer to t without what the stream says.
func (b *Bus) question(t *trail) answer {
	a := answer{trail: t, asked: time.Now(), known: t.delivered.Load()}
	a.sub, a.lost = b.watches.subscription(t)
	return a
}

// tell hands the answer to its trail.
func (a answer) tell(now *era) {
	a.trail.lane.post(func(deliver func(bus.Envelope)) { a.trail.answered(a, now, deliver) })
}

// beat has those ask that may have missed something at the end, which shows nowhere else.
func (h *history) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for t, s := range h.slow {
		if n := dropped(s.sub); n > s.dropped {
			s.dropped, h.missed[t] = n, true
		}
	}
	for t := range h.missed {
		h.asking[t] = true
		delete(h.missed, t)
	}
	if len(h.asking) > 0 || h.changed {
		signal(h.wake)
	}
	if h.fault.Load() != nil {
		signal(h.repairs.wake)
	}
}

// droppedFrom notes that sub, as its lane was full, has lost something.
func (b *Bus) droppedFrom(sub *nats.Subscription) {
	w, _ := b.watches.of(sub.Subject)
	if w == nil || w.trail == nil {
		return
	}
	b.history.mu.Lock()
	defer b.history.mu.Unlock()
	if w.trail.ended.Load() {
		return
	}
	w.trail.drops.Add(1)
	b.history.missed[w.trail] = true
	if s := b.history.slow[w.trail]; s == nil || s.sub != sub { // on this connection
		b.history.slow[w.trail] = &slow{sub: sub}
	}
}

// historyHealth says why there is no history, where some is asked for.
func (b *Bus) historyHealth() error {
	if b.history.keep.Load() == nil {
		return nil
	}
	if cause := b.history.cause.Load(); cause != nil {
		return fmt.Errorf("natsbus: no history: %w", *cause)
	}
	if left := b.history.left.Load(); left != nil && !b.history.later.Load() {
		return fmt.Errorf("natsbus: history is incomplete: %w", left.why)
	}
	if fault := b.history.fault.Load(); fault != nil {
		return fmt.Errorf("natsbus: what this node has missed can't be fetched: %w", *fault)
	}
	if silence := b.history.silence.length(); silence >= b.cfg.Silence {
		return fmt.Errorf("natsbus: no history: stream %s has not answered for %s", b.history.stream, silence.Round(time.Second/10))
	}
	return nil
}
