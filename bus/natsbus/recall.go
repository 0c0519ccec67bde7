package natsbus

import (
	"fmt"
	"slices"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// patience bounds how long a Recall takes; lag is how long a node waits for what is on its way to it, before it asks
// the stream.
const (
	recallPatience = 5 * time.Second
	lag            = 100 * time.Millisecond
)

// recall is a Recall without an answer.
type recall struct {
	history *history
	wish    bus.Wish
	done    func(bus.Recalled)

	// Of the trail's lane.
	timer   *time.Timer // ends its patience; nil before it has to wait
	asked   time.Time   // after which the stream's answer counts, if its position is above the trail; zero: not yet
	lags    bool        // it waits for that
	fetched *want       // what is to bring what lies behind its position
	all     *want       // what is to bring all there is
	vain    bool        // its position doesn't stand; it gets the last ones
}

// Recall implements bus.Recaller.
func (b *Bus) Recall(destination string, w bus.Wish, done func(bus.Recalled)) {
	r := &recall{history: b.history, wish: w, done: done}
	if !b.history.enlist(r) {
		go done(bus.Recalled{Err: bus.ErrClosed}) // it must not run on the caller's goroutine
		return
	}
	watch, live := b.watches.of(historySubject(b.cfg.Prefix, destination))
	if !live || watch.destination != destination {
		go r.answer(bus.Recalled{Err: errNotWatched}) // likewise
		return
	}
	watch.trail.lane.post(func(func(bus.Envelope)) { watch.trail.recall(r) })
}

// enlist notes that r has no answer; false means that the bus has ended.
func (h *history) enlist(r *recall) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.recalls == nil {
		return false
	}
	h.recalls[r] = true
	return true
}

// abandonRecalls tells those without an answer that there will be none: the goroutines of the bus have ended.
func (b *Bus) abandonRecalls() {
	h := b.history
	h.mu.Lock()
	left := h.recalls
	h.recalls = nil
	h.mu.Unlock()
	for r := range left {
		r.done(bus.Recalled{Err: bus.ErrClosed})
	}
}

// answer tells who asked, once.
func (r *recall) answer(said bus.Recalled) {
	r.history.mu.Lock()
	waits := r.history.recalls[r]
	delete(r.history.recalls, r)
	r.history.mu.Unlock()
	if waits {
		r.done(said)
	}
}

// recall begins to answer r.
func (t *trail) recall(r *recall) {
	if t.ended.Load() {
		r.answer(bus.Recalled{Err: errNotWatched})
		return
	}
	if t.phase == following && t.answerRecall(r) {
		return
	}
	t.recalls = append(t.recalls, r)
	r.timer = time.AfterFunc(recallPatience, func() {
		t.lane.post(func(func(bus.Envelope)) {
			r.answer(bus.Recalled{Head: t.head(), Err: fmt.Errorf("natsbus: stream %s did not bring it in %s: %w", r.history.stream, recallPatience, bus.ErrDown)})
			t.leave(r)
		})
	})
	t.fetchPast()
}

// leave takes out r, and with it what it alone waits for.
func (t *trail) leave(r *recall) {
	t.recalls = slices.DeleteFunc(t.recalls, func(other *recall) bool { return other == r })
	if t.reaching != nil && !slices.ContainsFunc(t.recalls, func(r *recall) bool { return r.fetched == t.reaching || r.all == t.reaching }) {
		t.stopReaching()
		t.fetchPast()
	}
}

// answerRecalls answers those that it can, and has fetched what the others want.
func (t *trail) answerRecalls() {
	t.recalls = slices.DeleteFunc(t.recalls, func(r *recall) bool {
		answered := t.answerRecall(r)
		if answered {
			r.timer.Stop()
		}
		return answered
	})
	t.fetchPast()
}

// answerRecall answers r if what it wants has been delivered, or can't be had.
func (t *trail) answerRecall(r *recall) bool {
	if len(r.wish.After) > 0 && !r.vain {
		stands, known := t.stands(r)
		if !known {
			return false
		}
		if stands {
			r.answer(bus.Recalled{Head: t.head(), Whole: true})
			return true
		}
		r.vain = true
	}
	if r.wish.Last > t.count && !t.whole && (r.all == nil || !r.all.done) {
		return false
	}
	r.answer(bus.Recalled{Head: t.head()})
	return true
}

// stands reports whether r's position is in this log, with all behind it delivered. known is false while that
// is to be found out.
func (t *trail) stands(r *recall) (stands, known bool) {
	after := r.wish.After[0]
	at, end := place{after.Offset, after.Term}, t.complete
	if at.own() {
		end = t.last
	}
	switch {
	case len(r.wish.After) > 1 || after.Log != t.log:
		return false, true
	case at.seq > end && (r.asked.IsZero() || !t.asked.After(r.asked)):
		t.awaitLag(r)
		return false, false
	case at.seq > end:
		return false, true
	}
	r.lags = false
	switch {
	case r.fetched != nil && r.fetched.done:
		return r.fetched.whole && !r.fetched.gap, true
	case at.seq < t.since:
		return false, false
	case at.term == 0:
		return true, true
	}
	return t.knows(at)
}

// knows reports whether a place behind since is what it was, if the trail remembers it.
func (t *trail) knows(at place) (so, known bool) {
	switch {
	case at == t.proved:
		return true, true
	case at.seq == t.last && t.term != 0:
		return at.term == t.term, true
	case at.seq == t.last:
		return true, true
	case at.own() && len(t.recent) > 0 && at.seq >= t.recent[0].seq:
		return slices.Contains(t.recent, at), true
	}
	return false, false
}

// awaitLag has the stream asked after a while, unless what r has seen comes by itself.
func (t *trail) awaitLag(r *recall) {
	if r.lags {
		return
	}
	r.lags = true
	time.AfterFunc(lag, func() {
		t.lane.post(func(func(bus.Envelope)) {
			if !t.ended.Load() && slices.Contains(t.recalls, r) {
				r.asked = time.Now()
				t.ask(true)
			}
		})
	})
}

// fetchPast has fetched what recalls want: first what lies behind positions, one after the other, then all there is.
func (t *trail) fetchPast() {
	if t.phase != following || t.reaching != nil {
		return
	}
	w := t.behindPosition()
	if w == nil {
		w = t.allStored()
	}
	if w == nil {
		return
	}
	w.trail, w.log, w.past = t, t.log, true
	if t.stored {
		w.to = t.last
	}
	t.reaching = w
	t.bus.history.pasts.fetch(w)
}

// behindPosition is what those want who have the lowest position that the trail doesn't know; nil: nobody does.
func (t *trail) behindPosition() (w *want) {
	var lowest bus.Position
	for _, r := range t.recalls {
		if after, ok := r.unknown(); ok && (w == nil || after.Offset < lowest.Offset) {
			w, lowest = &want{from: max(after.Offset, 1), term: after.Term, at: after.Offset, proof: after.Offset >= t.since}, after
		}
	}
	for _, r := range t.recalls {
		if after, ok := r.unknown(); ok && after == lowest {
			r.fetched = w
		}
	}
	return w
}

// unknown is r's position, if nobody has been asked whether it stands; ok is false if that is not to be asked.
func (r *recall) unknown() (after bus.Position, ok bool) {
	if len(r.wish.After) != 1 || r.vain || r.fetched != nil || r.lags {
		return after, false
	}
	return r.wish.After[0], true
}

// allStored is what those want who want the last ones; nil: nobody does.
func (t *trail) allStored() (w *want) {
	for _, r := range t.recalls {
		if len(r.wish.After) > 0 && !r.vain || r.all != nil {
			continue
		}
		if w == nil {
			w = &want{all: true, from: 1}
		}
		r.all = w
	}
	return w
}

// again has tried once more what w was to bring.
func (t *trail) again(w *want) {
	for _, r := range t.recalls {
		if r.fetched == w {
			r.fetched = nil
		}
		if r.all == w {
			r.all = nil
		}
	}
}
