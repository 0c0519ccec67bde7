package policy

import (
	"slices"
	"strings"

	"github.com/stompgw/stompgw/gateway/destination"
)

// Shadow is a rule that never decides, since one before it matches all that it does. Both are paths,
// such as "routes[1]".
type Shadow struct {
	Rule, By string
}

// Shadows returns the rules that never decide, as far as that can be seen segment by segment.
func (c *Catalogue) Shadows() []Shadow {
	var channels, routes order
	for i := range c.channels {
		channels.add(c.channels[i].path, &c.channels[i].match)
	}
	for i := range c.routes {
		routes.add(c.routes[i].path, &c.routes[i].match)
	}
	return append(channels.shadows, routes.shadows...)
}

// order is a list of rules of which the first that matches decides.
type order struct {
	paths   []string
	matches []*destination.Matcher
	begin   map[string][]int // rules by what they begin with, so that few are compared
	shadows []Shadow
}

// add adds the last rule, and notes whether it will never decide.
func (o *order) add(path string, m *destination.Matcher) {
	begin := m.Begin()
	if by := o.including(m, begin); by >= 0 {
		o.shadows = append(o.shadows, Shadow{path, o.paths[by]})
	}
	if o.begin == nil {
		o.begin = map[string][]int{}
	}
	o.begin[begin] = append(o.begin[begin], len(o.paths))
	o.paths, o.matches = append(o.paths, path), append(o.matches, m)
}

// including returns the first rule that includes m, -1 for none. Such a rule begins with what m does, or
// with less.
func (o *order) including(m *destination.Matcher, begin string) int {
	first := -1
	for {
		i := slices.IndexFunc(o.begin[begin], func(n int) bool { return o.matches[n].Includes(m) })
		if i >= 0 && (first < 0 || o.begin[begin][i] < first) {
			first = o.begin[begin][i]
		}
		if begin == "" {
			return first
		}
		begin = begin[:strings.LastIndexByte(begin, '/')]
	}
}

// Reaches reports whether match, as a rule has it, means anything below the prefixes of what is
// received: those of brokers, and that of sessions.
func (c *Catalogue) Reaches(match string) bool {
	m, err := destination.NewMatcher(match)
	return err == nil && (m.Reaches(c.prefixes.User) || slices.ContainsFunc(c.prefixes.Broker, m.Reaches))
}
