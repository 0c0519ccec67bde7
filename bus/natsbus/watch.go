package natsbus

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// watch is one destination, or one pattern, that this node asked for.
type watch struct {
	// Never changed.
	destination string // or the pattern; empty for the node's own subject
	wide        bool   // it is a pattern
	subject     string
	lane        *lane

	// Guarded by watches.mu.
	sub       *nats.Subscription // of the latest connection; nil until the writer has subscribed
	ready     func(error)        // of the latest Watch
	pending   int                // Watches that have no answer yet
	granted   bool               // by the server, and the latest Watch has heard of it
	refused   error              // why it brings nothing: it is no watch any more once that was told
	number    int64              // of sub on its connection, which answers to them in this order
	suspect   bool               // a connection was closed before it answered to it
	fatal     bool               // and another one, when it was the only one: it is not subscribed again
	live      bool               // false between Unwatch and the end of the linger time
	lingering bool               // it is in watches.lingering
	expires   time.Time          // when a watch that is not live may go
}

// watches are the subscriptions of this node, by subject.
type watches struct {
	// Never changed.
	linger time.Duration
	seed   maphash.Seed
	lanes  [lanes]*lane

	mu        sync.RWMutex
	bySubject map[string]*watch
	lingering []*watch        // unwatched ones, each once, about in the order in which they expire
	shunned   map[string]bool // subjects of fatal ones, maxShunned at most
	lost      uint64          // envelopes that subscriptions dropped which are gone
}

func newWatches(inbox, inboxBytes int, linger time.Duration) *watches {
	ws := &watches{
		linger:    linger,
		seed:      maphash.MakeSeed(),
		bySubject: make(map[string]*watch),
		shunned:   make(map[string]bool),
	}
	for i := range ws.lanes {
		ws.lanes[i] = newLane(inbox, inboxBytes/lanes)
	}
	return ws
}

func (ws *watches) lane(subject string) *lane {
	return ws.lanes[maphash.String(ws.seed, subject)%lanes]
}

// Watch implements bus.Narrower. While there is no connection, ready waits for one.
func (b *Bus) Watch(destination string, ready func(error)) {
	it := item{done: ready}
	if err := checkLength(b.cfg.Prefix, destination, int(b.maxSubject.Load())); err != nil {
		it.refused = b.refuseByLimit(err)
	} else {
		it.watch, it.refused = b.watches.open(watchSubject(b.cfg.Prefix, destination), destination, ready)
	}
	if err := b.out.acceptWatch(it); err != nil {
		go ready(err) // the bus's own goroutines are ending, and ready must not run on the caller's
	}
}

// Unwatch implements bus.Narrower. The subscription outlives it by Config.Linger, so that a client
// that comes and goes costs the servers nothing, but nothing of it is delivered.
func (b *Bus) Unwatch(destination string) {
	if checkLength(b.cfg.Prefix, destination, maxSubject) != nil {
		return // it never was a watch
	}
	b.watches.close(watchSubject(b.cfg.Prefix, destination), time.Now())
	signal(b.out.queued) // the writer's timer is set by the oldest of them
}

// open returns a live watch of subject: a lingering one, or a new one. ready is to hear of its end,
// should the server take back what it has granted.
func (ws *watches) open(subject, destination string, ready func(error)) (*watch, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.shunned[subject] {
		return nil, errShunned
	}
	w := ws.bySubject[subject]
	if w != nil && w.refused != nil { // whoever hears that ends it
		ws.forget(w)
		w = nil
	}
	if w == nil {
		w = &watch{destination: destination, wide: bus.Wide(destination), subject: subject, lane: ws.lane(subject)}
		ws.bySubject[subject] = w
	}
	w.live, w.granted, w.ready = true, false, ready
	w.pending++
	return w, nil
}

// close lets the watch of subject linger from now on.
func (ws *watches) close(subject string, now time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := ws.bySubject[subject]
	if w == nil || !w.live {
		return
	}
	w.live, w.expires = false, now.Add(ws.linger)
	if !w.lingering {
		w.lingering = true
		ws.lingering = append(ws.lingering, w)
	}
}

// expire takes out the watches that have lingered long enough at now, and returns their
// subscriptions and when to call it again; zero is with the next batch, or when woken.
func (ws *watches) expire(now time.Time) (gone []*nats.Subscription, next time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for range len(ws.lingering) {
		w := ws.lingering[0]
		if !w.live && w.expires.After(now) {
			return gone, w.expires
		}
		ws.lingering = ws.lingering[1:]
		switch {
		case w.live:
			w.lingering = false
		case w.sub == nil: // its turn in the outbox comes first
			ws.lingering = append(ws.lingering, w)
		default:
			delete(ws.bySubject, w.subject)
			ws.lost += dropped(w.sub)
			gone = append(gone, w.sub)
		}
	}
	return gone, time.Time{}
}

// missing reports whether w is to be subscribed.
func (ws *watches) missing(w *watch) bool {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	return w.sub == nil && !w.fatal && ws.bySubject[w.subject] == w
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
// not, w ends, and end is its subscription to be ended too, unless that has happened.
func (ws *watches) answered(w *watch) (end *nats.Subscription, err error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.pending--
	if w.refused == nil {
		return nil, nil
	}
	return ws.remove(w), w.refused
}

// grant notes that a Watch of w has heard that the server permits it. If the server has taken that
// back meanwhile, it does as answered; but after Unwatch nobody is to hear of it.
func (ws *watches) grant(w *watch) (end *nats.Subscription, err error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w.pending > 0 {
		return nil, nil // the next one hears it
	}
	if w.refused == nil {
		w.granted = true
		return nil, nil
	}
	if w.live {
		err = w.refused
	}
	return ws.remove(w), err
}

// remove takes out w, and returns its subscription, the first time.
func (ws *watches) remove(w *watch) (end *nats.Subscription) {
	if ws.bySubject[w.subject] == w {
		ws.forget(w)
	}
	ws.lost += dropped(w.sub)
	end, w.sub = w.sub, nil
	return end
}

func (ws *watches) forget(w *watch) {
	delete(ws.bySubject, w.subject)
	if w.lingering {
		ws.lingering = slices.DeleteFunc(ws.lingering, func(have *watch) bool { return have == w })
	}
}

// live returns the watch of subject, nil if there is none, or none any more. The caller reads only
// what never changes.
func (ws *watches) live(subject string) *watch {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	if w := ws.bySubject[subject]; w != nil && w.live {
		return w
	}
	return nil
}

// name returns what subject is, or was a moment ago, watched for, empty if that is not known.
func (ws *watches) name(subject string) string {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	if w := ws.bySubject[subject]; w != nil {
		return w.destination
	}
	return ""
}

// dropped returns how many envelopes found no room in their lane.
func (ws *watches) dropped() uint64 {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	n := ws.lost
	for _, w := range ws.bySubject {
		n += dropped(w.sub)
	}
	for _, l := range ws.lanes {
		n += l.dropped.Load()
	}
	return n
}

func dropped(sub *nats.Subscription) uint64 {
	if n, err := sub.Dropped(); err == nil {
		return uint64(n)
	}
	return 0 // not subscribed, or not any more
}
