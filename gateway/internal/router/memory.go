package router

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
