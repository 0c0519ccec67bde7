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
	sub       *nats.Subscription // nil until the writer has subscribed
	granted   bool               // by the server, since the latest open
	refused   bool               // before it was granted: with the answer it is no watch any more
	revoked   bool               // after it was granted, and not asked for again yet
	live      bool               // false between Unwatch and the end of the linger time
	lingering bool               // it is in watches.lingering
	expires   time.Time          // when a watch that is not live may go
}

// watches are the subscriptions of this node, by subject.
type watches struct {
	// Never changed.
	own        string // the subject of what is meant for this node's principals
	linger     time.Duration
	seed       maphash.Seed
	lanes      [lanes]*lane
	ownRevoked chan struct{} // has room for one signal: the server has revoked own

	mu        sync.RWMutex
	bySubject map[string]*watch
	lingering []*watch  // unwatched ones, each once, about in the order in which they expire
	revoked   []*watch  // to be asked for again, but for own
	renew     time.Time // when
	ownDenied bool      // the server does not permit own
	lost      uint64    // envelopes that subscriptions dropped which are gone
}

func newWatches(own string, inbox, inboxBytes int, linger time.Duration) *watches {
	ws := &watches{
		own:        own,
		linger:     linger,
		seed:       maphash.MakeSeed(),
		ownRevoked: make(chan struct{}, 1),
		bySubject:  make(map[string]*watch),
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
	it := item{done: ready, refused: checkLength(b.cfg.Prefix, destination)}
	if it.refused == nil {
		it.watch = b.watches.open(watchSubject(b.cfg.Prefix, destination), destination)
	}
	if err := b.out.acceptWatch(it); err != nil {
		go ready(err) // the bus's own goroutines are ending, and ready must not run on the caller's
	}
}

// Unwatch implements bus.Narrower. The subscription outlives it by Config.Linger, so that a client
// that comes and goes costs the servers nothing, but nothing of it is delivered.
func (b *Bus) Unwatch(destination string) {
	if checkLength(b.cfg.Prefix, destination) != nil {
		return // it never was a watch
	}
	b.watches.close(watchSubject(b.cfg.Prefix, destination), time.Now())
	signal(b.out.queued) // the writer's timer is set by the oldest of them
}

// open returns a live watch of subject: a lingering one, or a new one.
func (ws *watches) open(subject, destination string) *watch {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := ws.bySubject[subject]
	if w == nil {
		w = &watch{destination: destination, wide: bus.Wide(destination), subject: subject, lane: ws.lane(subject)}
		ws.bySubject[subject] = w
	}
	w.live, w.granted = true, false
	return w
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

// subscribed notes the outcome of subscribing: nil ends the watch. It reports false when the watch
// has ended meanwhile, and with it sub has to.
func (ws *watches) subscribed(w *watch, sub *nats.Subscription) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.bySubject[w.subject] != w {
		return false
	}
	if w.sub = sub; sub == nil {
		delete(ws.bySubject, w.subject)
	}
	return true
}

// answered notes that the server has answered about w, and returns whether it permits it. If not,
// w ends, and end is its subscription to be ended too, unless that has happened.
func (ws *watches) answered(w *watch) (end *nats.Subscription, granted bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w.subject == ws.own {
		ws.ownDenied = w.refused
	}
	if !w.refused {
		w.granted = true
		return nil, true
	}
	if ws.bySubject[w.subject] != w {
		return nil, false
	}
	delete(ws.bySubject, w.subject)
	ws.lingering = slices.DeleteFunc(ws.lingering, func(have *watch) bool { return have == w })
	ws.lost += dropped(w.sub)
	return w.sub, false
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
