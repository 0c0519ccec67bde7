package natsbus

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// A watch begins with Watch. The writer subscribes it, on each connection anew, and the confirmer tells
// ready what the server has made of it. After Unwatch it lingers, and Watch brings it back to life, until
// its time has come. The writer ends the subscriptions of watches that have ended, so that there are never
// two of one subject.
//
// A server takes back what it has permitted when it loads other permissions, at once or at the next
// connection. It drops the subscription and says so once. Then the watch has ended, and its ready hears
// why, from the confirmer too: whoever wants it asks again. The node's own subject, which Healthy depends
// on, is asked for again by keepOwn.
//
// A server that closes the connection over a subscription does not say which. It may be any that it has not
// answered to. On the next connection these come last, in groups, each with an answer of its own; the group
// that ends that one is suspect alone, until it is a single watch: that one is shunned.

// maxShunned is how many subjects are remembered that a server closes the connection over.
const maxShunned = 1024

var errShunned = fmt.Errorf("%w: the NATS server closes the connection over its subject", bus.ErrDestination)

// watch is one destination, or one pattern, that this node asked for.
type watch struct {
	// Never changed.
	destination string // or the pattern; empty for the node's own subject
	wide        bool   // it is a pattern
	subject     string
	lane        *lane
	trail       *trail // nil: it has no history

	// Guarded by watches.mu.
	ready   func(error) // of the latest Watch
	pending int         // Watches that have no answer yet; with none, the server permits it
	refused error       // why it brings nothing: it is no watch any more once that was told
	live    bool        // false between Unwatch and the end of the linger time
	linger  *time.Timer // of the latest Unwatch

	// Of the latest connection, guarded likewise.
	sub     *nats.Subscription // nil until the writer has subscribed
	number  int64              // of sub: the server answers to them in this order
	suspect bool               // an earlier one was perhaps closed over it
}

// watches are the subscriptions of this node, by subject.
type watches struct {
	// Never changed.
	linger time.Duration
	wake   chan<- struct{} // the writer
	seed   maphash.Seed
	lanes  [lanes]*lane

	mu        sync.RWMutex
	bySubject map[string]*watch
	ended     []*nats.Subscription          // of watches that have ended
	shunned   map[string]bool               // subjects, maxShunned at most
	slow      map[*nats.Subscription]uint64 // how many envelopes they have dropped, as was last heard
	lost      uint64                        // envelopes that subscriptions dropped which are gone
}

func newWatches(inbox, inboxBytes int, linger time.Duration, wake chan<- struct{}) *watches {
	ws := &watches{
		linger:    linger,
		wake:      wake,
		seed:      maphash.MakeSeed(),
		bySubject: make(map[string]*watch),
		shunned:   make(map[string]bool),
		slow:      make(map[*nats.Subscription]uint64),
	}
	for i := range ws.lanes {
		ws.lanes[i] = newLane(inbox, inboxBytes/lanes)
	}
	return ws
}

// Watch implements bus.Narrower. While there is no connection, ready waits for one.
func (b *Bus) Watch(destination string, ready func(error)) {
	subject := watchSubject(b.cfg.Prefix, destination)
	if n, limit := len(subject), int(b.maxSubject.Load()); n > limit {
		go ready(b.refuseByLimit(tooLong(destination, n, limit))) // as below
		return
	}
	if !bus.Wide(destination) && b.history.has(destination) && b.history.leaves(subject) == nil {
		b.watchTrail(destination, ready)
		return
	}
	b.watch(subject, destination, nil, ready)
}

// watch asks for what is published to subject, and for t if that is a trail's.
func (b *Bus) watch(subject, destination string, t *trail, ready func(error)) {
	w, err := b.watches.open(subject, destination, t, ready)
	if err == nil {
		err = b.out.accept(item{watch: w, done: ready})
	}
	if err != nil {
		go ready(err) // it must not run on the caller's goroutine
	}
}

// Unwatch implements bus.Narrower. The subscription outlives it by Config.Linger, so that a client
// that comes and goes costs the servers nothing, but nothing from it is delivered.
func (b *Bus) Unwatch(destination string) {
	b.watches.close(watchSubject(b.cfg.Prefix, destination))
	if b.history.trailed.Load() && strings.HasPrefix(destination, "/") { // only those have a trail
		b.watches.close(historySubject(b.cfg.Prefix, destination))
	}
}

// subscribeAll subscribes on c, whose predecessor is last, all that is watched, and reports whether c has
// survived that.
func (b *Bus) subscribeAll(c, last *conn) bool {
	if b.history.works() && b.hearAnswers(c) != nil {
		return false
	}
	plain, suspects := b.watches.reset(last)
	for _, w := range plain {
		b.subscribe(c, w)
	}
	if len(suspects) == 0 {
		return true
	}
	if !b.survives(c, plain) {
		return false
	}
	const groups = 64 // with as many suspects, each is one
	for group := range slices.Chunk(suspects, (len(suspects)+groups-1)/groups) {
		for _, w := range group {
			b.subscribe(c, w)
		}
		if !b.survives(c, group) {
			return false
		}
	}
	return true
}

// subscribe subscribes w on c, unless it is. It fails only when c has ended, and then the next connection
// is told.
func (b *Bus) subscribe(c *conn, w *watch) {
	n := len(w.subject)
	switch {
	case !b.watches.missing(w):
	case n > c.maxSubject:
		b.deny(w, b.refuseByLimit(tooLong(w.destination, n, c.maxSubject)))
	case b.isFull(c):
		b.deny(w, b.refuseByLimit(bus.ErrCrowded))
	default:
		sub, err := c.nc.ChanSubscribe(w.subject, w.lane.arrived)
		if err == nil && !b.watches.subscribed(w, sub, c.subscribed.Add(1)) {
			unsubscribe(sub)
		}
	}
}

// unsubscribe ends sub. It fails only on a closed connection, where the subscription has ended too.
func unsubscribe(sub *nats.Subscription) { _ = sub.Unsubscribe() }

// survives waits for c's answer to the subscriptions of group, and notes what it is.
func (b *Bus) survives(c *conn, group []*watch) bool {
	if c.flush(b.ctx, b.cfg.Deadline) == nil {
		c.answered.Store(c.subscribed.Load())
		return true
	}
	c.close()
	fault, err := c.why()
	if fault != otherFault || len(group) == 0 {
		return false
	}
	if fatal := b.watches.suspect(group); fatal != nil {
		b.deny(fatal, errShunned)
		b.log.Error("the NATS server closes the connection over a subscription, which is refused from now on",
			"destination", b.destinationOf(fatal.subject), "err", err)
	}
	return false
}

// deny notes that w brings nothing, and why. Whoever waits for an answer hears that. If nobody does, the
// server takes back what it has granted: w has ended, the confirmer tells who watches it, and revoked is true.
func (b *Bus) deny(w *watch, err error) (revoked bool) {
	revoked, ready := b.watches.refuse(w, err)
	if ready != nil {
		b.out.wrote([]item{{watch: w, done: ready}})
	}
	return revoked
}

// open returns a live watch of subject: a lingering one, or a new one. ready is to hear of its end,
// should the server take back what it has granted.
// With a trail it is always a new one.
func (ws *watches) open(subject, destination string, t *trail, ready func(error)) (*watch, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.shunned[subject] {
		return nil, errShunned
	}
	w := ws.bySubject[subject]
	if w != nil && t != nil {
		ws.remove(w)
	}
	if w == nil || t != nil || w.refused != nil { // whoever hears that ends it
		w = &watch{destination: destination, wide: bus.Wide(destination), subject: subject, lane: ws.laneOf(subject), trail: t}
		ws.bySubject[subject] = w
	}
	if w.linger != nil {
		w.linger.Stop()
	}
	w.live, w.ready = true, ready
	w.pending++
	return w, nil
}

// laneOf is that through which subject comes.
func (ws *watches) laneOf(subject string) *lane {
	return ws.lanes[maphash.String(ws.seed, subject)%lanes]
}

// close lets the watch of subject linger from now on.
func (ws *watches) close(subject string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := ws.bySubject[subject]
	if w == nil || !w.live {
		return
	}
	w.live = false
	if w.trail != nil {
		w.trail.end()
	}
	w.linger = time.AfterFunc(ws.linger, func() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		if !w.live {
			ws.remove(w)
		}
	})
}

// reset begins a connection, on which nothing is subscribed or refused yet; last is the one before, nil for
// none. It returns what is to be subscribed, in the order of rank, and apart from it what the last one was
// perhaps closed over, the longest first. SUBSCRIBE waits for mu, so it is not held for all of them at once.
func (ws *watches) reset(last *conn) (plain, suspects []*watch) {
	blame := false
	if last != nil && last.served {
		fault, _ := last.why()
		blame = fault == otherFault
	}
	ws.mu.Lock()
	all := slices.AppendSeq(make([]*watch, 0, len(ws.bySubject)), maps.Values(ws.bySubject))
	for sub := range ws.slow {
		ws.fold(sub)
	}
	ws.mu.Unlock()
	var ranked [rankSuspect + 1][]*watch
	for _, w := range all {
		if rank, ok := ws.renew(w, last, blame); ok {
			ranked[rank] = append(ranked[rank], w)
		}
	}
	suspects = ranked[rankSuspect]
	slices.SortFunc(suspects, func(a, b *watch) int { return cmp.Compare(len(b.subject), len(a.subject)) })
	return slices.Concat(ranked[:rankSuspect]...), suspects
}

// rank is when a watch is subscribed on a new connection.
type rank int

const (
	rankOwn     rank = iota // the node's own subject
	rankGranted             // what the server has permitted before
	rankAsked               // what it has yet to
	rankSuspect             // what the last connection was perhaps closed over
)

// renew is reset for one watch. ok is false if it is not to be subscribed.
func (ws *watches) renew(w *watch, last *conn, blame bool) (r rank, ok bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w.sub != nil {
		w.suspect = w.number > last.answered.Load() && (w.suspect || blame)
	}
	w.sub = nil
	if ws.shunned[w.subject] || ws.bySubject[w.subject] != w { // or it has just ended
		return 0, false
	}
	w.refused = nil
	switch {
	case w.suspect:
		return rankSuspect, true
	case w.destination == "":
		return rankOwn, true
	case w.pending == 0:
		return rankGranted, true
	}
	return rankAsked, true
}

// suspect notes that one of group is why the connection was closed, and no other one. It returns it if it
// is known: the only one, the second time. It is not subscribed any more.
func (ws *watches) suspect(group []*watch) (fatal *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(group) == 1 && group[0].suspect {
		fatal = group[0]
		if len(ws.shunned) == maxShunned {
			clear(ws.shunned)
		}
		ws.shunned[fatal.subject] = true
	}
	for _, w := range ws.bySubject {
		w.suspect = false
	}
	for _, w := range group {
		w.suspect = true
	}
	return fatal
}

// missing reports whether w is to be subscribed.
func (ws *watches) missing(w *watch) bool {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	return w.sub == nil && ws.bySubject[w.subject] == w
}

// subscribed notes that w is, as which number on its connection. It reports false when the watch has
// ended meanwhile, and with it sub has to.
func (ws *watches) subscribed(w *watch, sub *nats.Subscription, number int64) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.bySubject[w.subject] != w {
		return false
	}
	w.sub, w.number = sub, number
	return true
}

// answered notes that the server has answered to a Watch of w, and returns nil if it permits it. If
// not, w ends.
func (ws *watches) answered(w *watch) error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w.pending--; w.refused != nil {
		ws.remove(w)
	}
	return w.refused
}

// refuse notes that w brings nothing, and why. If it was granted it is revoked and ends, and ready is to hear
// of it; nobody else is.
func (ws *watches) refuse(w *watch, err error) (revoked bool, ready func(error)) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.refused = err
	if w.pending > 0 || ws.bySubject[w.subject] != w {
		return false, nil
	}
	if w.live {
		w.pending, ready = 1, w.ready
	}
	ws.remove(w)
	return true, ready
}

// remove takes out w.
func (ws *watches) remove(w *watch) {
	if ws.bySubject[w.subject] == w {
		delete(ws.bySubject, w.subject)
	}
	if w.sub != nil {
		ws.fold(w.sub)
		ws.ended, w.sub = append(ws.ended, w.sub), nil
		signal(ws.wake)
	}
}

// takeEnded returns the subscriptions that have to end.
func (ws *watches) takeEnded() (ended []*nats.Subscription) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ended, ws.ended = ws.ended, nil
	return ended
}

// of returns the watch of subject, nil if there is none, and whether it is live. The caller reads only what
// never changes.
func (ws *watches) of(subject string) (w *watch, live bool) {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	w = ws.bySubject[subject]
	return w, w != nil && w.live
}

// eachTrail calls f for each that somebody follows.
func (ws *watches) eachTrail(f func(*trail)) {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	for _, w := range ws.bySubject {
		if w.live && w.trail != nil {
			f(w.trail)
		}
	}
}

// subscription returns that of t, nil while there is none, and how much it has lost.
func (ws *watches) subscription(t *trail) (*nats.Subscription, uint64) {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	if w := ws.bySubject[t.subject]; w != nil && w.trail == t && w.sub != nil {
		return w.sub, t.lostBy(w.sub)
	}
	return nil, 0
}

// slowed notes that sub has dropped envelopes, as its lane was full. It comes before the next connection's reset.
func (ws *watches) slowed(sub *nats.Subscription) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.slow[sub] = max(ws.slow[sub], dropped(sub), 1)
}

// fold notes what sub, which is about to go, or has gone with its connection, has dropped.
func (ws *watches) fold(sub *nats.Subscription) {
	if before, ok := ws.slow[sub]; ok {
		ws.lost += max(before, dropped(sub))
		delete(ws.slow, sub)
	}
}

// dropped returns how many envelopes found no room in their lane. It never falls.
func (ws *watches) dropped() uint64 {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	n := ws.lost
	for sub, before := range ws.slow {
		ws.slow[sub] = max(before, dropped(sub))
		n += ws.slow[sub]
	}
	for _, l := range ws.lanes {
		n += l.dropped.Load()
	}
	return n
}

// dropped is how many envelopes of sub found no room in its lane. nats.go does not say it, and this is 0, once the connection has ended.
func dropped(sub *nats.Subscription) uint64 {
	if n, err := sub.Dropped(); err == nil {
		return uint64(n)
	}
	return 0
}
