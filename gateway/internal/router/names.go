package router

import (
	"context"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/destination"
)

// namesAtOnce is how many names are read while the index is locked: loops wait for it when they subscribe.
const namesAtOnce = 256

// known is a pattern that clients have subscribed by.
type known struct {
	pattern *destination.Pattern
	loops   int // that have such subscriptions
}

// learn notes that one more loop has subscriptions by a pattern.
func (r *Router) learn(p *destination.Pattern) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.known[p.String()]
	if k == nil {
		k = &known{pattern: p}
		r.known[p.String()] = k
	}
	k.loops++
}

// unlearn undoes learn.
func (r *Router) unlearn(p *destination.Pattern) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.known[p.String()]; k != nil {
		if k.loops--; k.loops == 0 {
			delete(r.known, p.String())
		}
	}
}

// Names returns the first names behind after, in order, of destinations that this node watches, and of patterns that its
// clients have subscribed by, at most so many; more says that there are others behind them. With match only those that it
// stands for: a pattern when it covers all of that. Some of the destinations may have no subscriber of their own, but one by
// pattern. It reads the index bit by bit, until ctx ends; what comes and goes meanwhile may be among them.
func (r *Router) Names(ctx context.Context, match *destination.Matcher, after string, most int) (names []string, more bool) {
	page := firsts{after: after, most: most}
	inPortions(ctx, &r.mu, r.interest, func(in *interest) {
		if destination.IsPattern(in.watch) {
			return // it stands for a pattern, of which it need not be the text
		}
		if match != nil {
			if _, ok := match.Match(in.watch); !ok {
				return
			}
		}
		page.add(in.watch)
	})
	inPortions(ctx, &r.mu, r.known, func(k *known) {
		if match != nil {
			if _, ok := match.Covers(*k.pattern); !ok {
				return
			}
		}
		page.add(k.pattern.String())
	})
	page.cut()
	return page.names, page.more
}

// inPortions calls look for every value of a map that mu guards, some of them in a row, and not while it is locked.
func inPortions[V any](ctx context.Context, mu *sync.RWMutex, m map[string]V, look func(V)) {
	portion := make([]V, 0, namesAtOnce)
	finish := func() {
		for _, v := range portion {
			look(v)
		}
		portion = portion[:0]
	}
	mu.RLock()
	for _, v := range m { // which may change while nobody looks: the language allows it
		if portion = append(portion, v); len(portion) < namesAtOnce {
			continue
		}
		mu.RUnlock()
		finish()
		mu.RLock()
		if ctx.Err() != nil {
			break
		}
	}
	mu.RUnlock()
	finish()
}

// firsts keeps the first of many names.
type firsts struct {
	after string
	most  int
	names []string
	full  bool // the names behind the last one are not wanted
	more  bool // some have been left out
}

func (f *firsts) add(name string) {
	switch {
	case name <= f.after:
		return
	case f.full && name > f.names[f.most-1]:
		f.more = true
		return
	case !utf8.ValidString(name): // which could be told to nobody
		return
	}
	if f.names = append(f.names, name); len(f.names) >= 2*f.most {
		f.cut()
	}
}

// cut puts the names in order, and leaves out those that are too many.
func (f *firsts) cut() {
	slices.Sort(f.names)
	f.names = slices.Compact(f.names) // one that goes and comes back may be read twice
	if len(f.names) > f.most {
		f.names, f.more = f.names[:f.most], true
	}
	f.full = len(f.names) == f.most
}

// Count is how many subscriptions of the loop are to that very destination, or by that very pattern.
func (l *Local) Count(name string) int {
	if g := l.table.groups[name]; g != nil {
		return len(g.subs)
	}
	return len(l.table.exact[name])
}
