package router

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/history"
	"github.com/stompgw/stompgw/gateway/policy"
)

// sweepEvery is how often messages that have become too old are looked for.
const sweepEvery = time.Second

// memory is what a node keeps, and what its rules have said of that.
//
// A destination that loses its history by a reload keeps it until nobody follows it any more who began when it had one. One that
// gains it has it from then on: a place that was told before is not whole, as what came then was not kept.
type memory struct {
	store *history.Store[*Message]
	rules atomic.Pointer[policy.Catalogue] // nil while nothing has history
	odd   atomic.Int64                     // how many of followed have it no more

	mu       sync.Mutex
	followed map[string]*follow // by destination
	past     []era              // of other rules, the oldest first
}

// follow is who follows a destination.
type follow struct {
	count int
	odd   bool // by the rules of now it has no history
}

// era is when other rules counted.
type era struct {
	rules *policy.Catalogue
	until time.Time
}

// mostEras is how many reloads are remembered. A place that was told before them is not whole.
const mostEras = 16

// Remember has the node keep what the rules say has history, in so many bytes. It is called before Run, and again when there are others.
func (r *Router) Remember(rules *policy.Catalogue, bytes int) {
	keep := rules.Keep(bytes)
	was := r.memory.rules.Load()
	if r.recaller == nil || was == rules || len(keep.Patterns) == 0 && was == nil {
		return
	}
	r.memory.store.SetLimit(bytes)
	r.memory.turn(rules)
	keep.Has = r.memory.has
	r.recaller.Remember(keep)
}

// turn begins an era.
func (m *memory) turn(rules *policy.Catalogue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if was := m.rules.Load(); was != nil {
		m.past = append(m.past, era{was, time.Now()})
		m.past = m.past[max(len(m.past)-mostEras, 0):]
	}
	for destination, f := range m.followed {
		_, _, has := rules.History(destination)
		m.note(f, !has)
	}
	m.rules.Store(rules)
}

// note says whether a destination that is followed has history no more.
func (m *memory) note(f *follow, odd bool) {
	if f.odd != odd {
		f.odd = odd
		m.odd.Add(map[bool]int64{true: 1, false: -1}[odd])
	}
}

// has reports whether what is published to a destination is to be kept. The bus asks for each envelope.
func (m *memory) has(destination string) bool {
	if _, _, has := m.rules.Load().History(destination); has || m.odd.Load() == 0 {
		return has
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.followed[destination] != nil
}

// had reports whether a destination has had history ever since a time.
func (m *memory) had(destination string, since time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.past) == mostEras && !since.After(m.past[0].until) {
		return false
	}
	return !slices.ContainsFunc(m.past, func(e era) bool {
		_, _, has := e.rules.History(destination)
		return !has && e.until.After(since.Add(-history.Doubt))
	})
}

func (r *Router) follow(destination string) {
	m := &r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.followed[destination]
	if f == nil {
		f = &follow{}
		m.followed[destination] = f
		_, _, has := m.rules.Load().History(destination)
		m.note(f, !has)
	}
	f.count++
}

func (r *Router) unfollow(destination string) {
	m := &r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.followed[destination]
	if f.count--; f.count == 0 {
		m.note(f, false)
		delete(m.followed, destination)
	}
}

// History returns what is kept, and what had to go.
func (r *Router) History() history.Figures { return r.memory.store.Figures() }

// HasHistory reports whether one who subscribes to a destination by its name can have its past.
func (l *Local) HasHistory(destination string) bool {
	rules := l.router.memory.rules.Load()
	if rules == nil {
		return false
	}
	_, _, has := rules.History(destination)
	return has
}

func (r *Router) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.memory.store.Sweep()
		case <-ctx.Done():
			return
		}
	}
}

// remembered keeps an envelope of a destination with history, and brings it to the loops that want it as well.
func (r *Router) remembered(ctx context.Context, e bus.Envelope) {
	if e.Mark.Hole {
		r.memory.store.Hole(e.Destination, e.Mark.At)
		r.missed(ctx, e.Destination, e.Mark.Event)
		return
	}
	size, ttl, ok := r.memory.rules.Load().History(e.Destination)
	over := r.over(e.Watch)
	if !ok && e.Mark.Past || over == nil || r.isOversized(&e) {
		return
	}
	limits := history.Limits{Size: size, TTL: ttl}
	r.memory.store.Append(e.Destination, e.Mark, limits, over, func() *Message { return r.broadcast(e) }, func(m *Message, place string) {
		loops, watches := r.wanted(&e, r.rules.IsMember(e.Destination))
		r.hand(ctx, m, place, loops, watches)
	})
}

// over is true once the watch has ended that brings an envelope; nil if it had before that came.
func (r *Router) over(watch string) *atomic.Bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.narrower == nil {
		return &r.received.over
	}
	if in := r.interest[watch]; in != nil {
		return &in.over
	}
	return nil
}

// hole is what the subscribers of a destination have yet to hear of.
type hole struct {
	event  uint32
	listed bool            // left is who is left; else it is all, if the destination has history
	left   []*Subscription // some may have ended
}

// missed tells the subscribers of a destination, or of all with history if it is empty, that messages may be missing, by an event. Each hears of
// it before he gets what was delivered after it.
func (r *Router) missed(ctx context.Context, destination string, event uint32) {
	for _, l := range r.locals {
		l.loop.PostWait(ctx, func() { l.miss(destination, event) }) // as in hand
	}
}

// miss begins to tell what missed says.
func (l *Local) miss(destination string, event uint32) {
	begun := len(l.untold) > 0
	if l.untold == nil {
		l.untold = make(map[string]hole)
	}
	if destination != "" {
		l.untold[destination] = hole{event, true, slices.Clone(l.table.exact[destination])}
	} else {
		for destination := range l.table.exact {
			l.untold[destination] = hole{event: event}
		}
	}
	if !begun {
		l.tellHoles()
	}
}

// tellHoles tells as many of those who are left as hear of an end at once, and the others in later turns of the loop.
func (l *Local) tellHoles() {
	left := endsAtOnce
	for destination := range l.untold {
		if left -= max(1, l.tellHole(destination, left)); left <= 0 {
			break
		}
	}
	if len(l.untold) > 0 {
		l.loop.Post(l.tellHoles)
	} else {
		l.untold = nil
	}
}

// tellHole tells subscribers of a destination, so many at most, and returns how many.
func (l *Local) tellHole(destination string, most int) int {
	h, untold := l.untold[destination]
	if !untold {
		return 0
	}
	if !h.listed && l.HasHistory(destination) {
		h.left = slices.Clone(l.table.exact[destination])
	}
	now := h.left[:min(len(h.left), most)]
	if h.left, h.listed = h.left[len(now):], true; len(h.left) > 0 {
		l.untold[destination] = h
	} else {
		delete(l.untold, destination)
	}
	for _, s := range now {
		s.Outlet.Missed(s, h.event)
	}
	return len(now)
}
