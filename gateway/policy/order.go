package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/gateway/destination"
)

// Shadow is a rule that never decides, since an earlier one matches everything that it does. Both are
// paths, such as "routes[1]".
type Shadow struct {
	Rule, By string
}

// Shadows returns the rules that never decide, as far as that can be seen segment by segment.
func (c *Catalogue) Shadows() []Shadow { return append(shadows(c.channels), shadows(c.routes)...) }

func shadows(rules []rule) (list []Shadow) {
	begin := map[string][]int{} // rules by what they begin with, so that few are compared
	for i := range rules {
		begins := rules[i].match.Begin()
		if by := including(rules, begin, &rules[i], begins); by >= 0 {
			list = append(list, Shadow{rules[i].path, rules[by].path})
		}
		begin[begins] = append(begin[begins], i)
	}
	return list
}

// including returns the first of the rules in begin that includes ru, -1 for none. Such a rule begins with what ru
// does, or with less.
func including(rules []rule, begin map[string][]int, ru *rule, begins string) int {
	first := -1
	for {
		at := begin[begins]
		i := slices.IndexFunc(at, func(n int) bool { return rules[n].shadows(ru) })
		if i >= 0 && (first < 0 || at[i] < first) {
			first = at[i]
		}
		if begins == "" {
			return first
		}
		begins = begins[:strings.LastIndexByte(begins, '/')]
	}
}

// shadows reports whether ru matches all that other does. A channel for everything is not one for members, nor for who is present.
func (ru *rule) shadows(other *rule) bool {
	return ru.members == other.members && ru.views == other.views && ru.match.Includes(&other.match)
}

// Reaches reports whether match, as a rule has it, matches anything below the prefixes of what clients
// receive: those of brokers, sessions, members and presence.
func (c *Catalogue) Reaches(match string) bool {
	m, err := destination.NewMatcher(match)
	return err == nil && (c.IsMember(match) || c.IsPresence(match) || m.Reaches(c.prefixes.User) || slices.ContainsFunc(c.prefixes.Broker, m.Reaches))
}

// DeadEnds returns the routes that publish to where no channel lets anybody subscribe, as far as that can be seen segment
// by segment: paths such as "routes[1]".
func (c *Catalogue) DeadEnds() (paths []string) {
	begin := map[string][]int{} // channels by what they begin with
	for i := range c.channels {
		begins := c.channels[i].match.Begin()
		begin[begins] = append(begin[begins], i)
	}
	sorted := slices.Sorted(maps.Keys(begin))
	for i := range c.routes {
		if ru := &c.routes[i]; ru.publishes && c.leadsNowhere(ru, begin, sorted) {
			paths = append(paths, ru.path)
		}
	}
	return paths
}

// leadsNowhere reports whether nobody may subscribe to what a route publishes. Channels for that begin as it does, or with less, or
// with more; and what one that includes it all refuses, no later one lets in.
func (c *Catalogue) leadsNowhere(route *rule, begin map[string][]int, sorted []string) bool {
	to, err := destination.NewMatcher(route.outline.Route.Publish)
	if _, isErrors := to.Match(c.errorDest); err != nil || isErrors { // a variable stands in it twice, or all may subscribe
		return false
	}
	refused, begins := len(c.channels), to.Begin()
	lets := func(i int) bool {
		ru := &c.channels[i]
		return i < refused && !ru.subscribe.isNever() && ru.members == route.toMembers && !ru.views && ru.match.Meets(&to)
	}
	var less []int
	for b := begins; ; b = b[:strings.LastIndexByte(b, '/')] {
		less = append(less, begin[b]...)
		if b == "" {
			break
		}
	}
	for _, i := range less {
		if ru := &c.channels[i]; ru.subscribe.isNever() && ru.members == route.toMembers && ru.match.Includes(&to) {
			refused = min(refused, i)
		}
	}
	if slices.ContainsFunc(less, lets) {
		return false
	}
	more, _ := slices.BinarySearch(sorted, begins+"/")
	for ; more < len(sorted) && strings.HasPrefix(sorted[more], begins+"/"); more++ {
		if slices.ContainsFunc(begin[sorted[more]], lets) {
			return false
		}
	}
	return true
}

// Into returns the channel that covers everything a route publishes, given its publish, such as "/topic/{room}"; nil if
// there is none, or if that depends on variables.
func (c *Catalogue) Into(publish string) *Channel {
	to, err := destination.NewMatcher(publish)
	if err != nil { // a variable stands in it twice, or it is empty
		return nil
	}
	members := c.IsMember(publish)
	for i := range c.channels {
		ru := &c.channels[i]
		switch {
		case ru.members != members || ru.views || !ru.match.Meets(&to):
		case ru.match.Includes(&to):
			return ru.outline.Channel
		default:
			return nil
		}
	}
	return nil
}
