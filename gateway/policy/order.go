package policy

import (
	"slices"

	"github.com/stompgw/stompgw/gateway/destination"
)

// Shadow is a rule that never decides, since one before it matches all that it does. Both are paths,
// such as "routes[1]".
type Shadow struct {
	Rule, By string
}

// Shadows returns the rules that never decide, as far as that can be seen segment by segment.
func (c *Catalogue) Shadows() (all []Shadow) {
	for i := range c.channels {
		ch := &c.channels[i]
		if n := slices.IndexFunc(c.channels[:i], func(b channel) bool { return b.match.Includes(&ch.match) }); n >= 0 {
			all = append(all, Shadow{ch.path, c.channels[n].path})
		}
	}
	for i := range c.routes {
		rt := &c.routes[i]
		if n := slices.IndexFunc(c.routes[:i], func(b route) bool { return b.match.Includes(&rt.match) }); n >= 0 {
			all = append(all, Shadow{rt.path, c.routes[n].path})
		}
	}
	return all
}

// Reaches reports whether match, as a rule has it, means anything below the prefixes of what is
// received: those of brokers, and that of sessions.
func (c *Catalogue) Reaches(match string) bool {
	m, err := destination.NewMatcher(match)
	return err == nil && (m.Reaches(c.prefixes.User) || slices.ContainsFunc(c.prefixes.Broker, m.Reaches))
}
