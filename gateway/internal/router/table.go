package router

import (
	"slices"

	"github.com/stompgw/stompgw/gateway/destination"
)

// table holds the subscriptions of one loop.
type table struct {
	exact map[string][]*Subscription // by destination

	// Both are nil while there is no subscription by pattern.
	groups   map[string]*group   // by pattern
	watching map[string][]*group // by watch
}

// group is the subscriptions of one loop by one pattern: a message is matched once for all of them.
type group struct {
	pattern *destination.Pattern
	watches []string
	subs    []*Subscription
}

// add adds a subscription to one destination.
func (t *table) add(s *Subscription) {
	list := t.exact[s.Destination]
	if len(list) > 0 {
		s.Destination = list[0].Destination // the same string, held once
	}
	s.index = len(list)
	t.exact[s.Destination] = append(list, s)
}

// remove undoes add, and reports whether the loop need not watch the destination any more.
func (t *table) remove(s *Subscription) (last bool) {
	if list := without(t.exact[s.Destination], s); len(list) > 0 {
		t.exact[s.Destination] = list
	} else {
		delete(t.exact, s.Destination)
	}
	return !t.watches(s.Destination)
}

// without takes s out of list. The last takes its place, so that leaving costs the same however
// many stay.
func without(list []*Subscription, s *Subscription) []*Subscription {
	end := len(list) - 1
	list[s.index] = list[end]
	list[s.index].index = s.index
	list[end] = nil
	return list[:end]
}

// addPattern adds a subscription by pattern, and returns what the pattern has to watch.
func (t *table) addPattern(s *Subscription) (watches []string) {
	g := t.groups[s.Destination]
	if g == nil {
		g = &group{pattern: s.Pattern, watches: s.Pattern.Watches()}
		t.watch(g)
	}
	s.Pattern, s.Destination = g.pattern, g.pattern.String() // the same, held once
	s.index = len(g.subs)
	g.subs = append(g.subs, s)
	return g.watches
}

func (t *table) watch(g *group) {
	if t.groups == nil {
		t.groups, t.watching = map[string]*group{}, map[string][]*group{}
	}
	t.groups[g.pattern.String()] = g
	for _, watch := range g.watches {
		t.watching[watch] = append(t.watching[watch], g)
	}
}

// removePattern undoes addPattern, and returns what the loop need not watch any more.
func (t *table) removePattern(s *Subscription) (spent []string) {
	g := t.groups[s.Destination]
	if g.subs = without(g.subs, s); len(g.subs) > 0 {
		return nil
	}
	delete(t.groups, s.Destination)
	for _, watch := range g.watches {
		t.unwatch(watch, g)
		if !t.watches(watch) {
			spent = append(spent, watch)
		}
	}
	if len(t.groups) == 0 {
		t.groups, t.watching = nil, nil
	}
	return spent
}

func (t *table) unwatch(watch string, g *group) {
	list := slices.DeleteFunc(t.watching[watch], func(have *group) bool { return have == g })
	if len(list) == 0 {
		delete(t.watching, watch)
	} else {
		t.watching[watch] = list
	}
}

// watches reports whether a subscription of the loop needs that watch.
func (t *table) watches(watch string) bool {
	return len(t.exact[watch]) > 0 || len(t.watching[watch]) > 0
}

// served returns a list, of the caller's own, of the subscriptions that need that watch.
func (t *table) served(watch string) []*Subscription {
	list := slices.Clone(t.exact[watch])
	for _, g := range t.watching[watch] {
		list = append(list, g.subs...)
	}
	return list
}
