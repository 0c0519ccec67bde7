package policy

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
)

// History says how many messages are kept for each destination of a channel, for clients that come back. The zero value
// keeps nothing; otherwise both fields are needed.
type History struct {
	Size int           `key:"size" is:"messages kept for each destination, 1 to 10000; 0 means none"`
	TTL  time.Duration `key:"ttl" is:"how long they are kept, '1s' to '24h'; set both 'size' and 'ttl', or neither"`
}

// Bounds of a History.
const (
	maxSize        = 10_000
	minTTL, maxTTL = time.Second, 24 * time.Hour
)

// compileHistory checks what is to be kept of the destinations that a channel is about.
func (ru *rule) compileHistory(h History, c *Catalogue) error {
	if h == (History{}) {
		return nil
	}
	_, isErrors := ru.match.Match(c.errorDest)
	switch {
	case h.Size < 1 || h.Size > maxSize:
		return ru.mistake(".history.size", "%d is not possible: want 1 to %d messages of each destination, and a ttl", h.Size, maxSize)
	case h.TTL < minTTL || h.TTL > maxTTL:
		return ru.mistake(".history.ttl", "%s is not possible: want a size, and a ttl of 1s to 24h", h.TTL)
	case isErrors && !c.IsSession(c.errorDest):
		return ru.mistake(".history", "%q matches the error destination %s, where each client hears of its own frames: write a rule for what has a history", ru.outline.Match, c.errorDest)
	case ru.match.Reaches(c.prefixes.User):
		return ru.mistake(".history", "%q matches destinations under the session prefix %s, which end with their session, so nobody could come back to them: "+
			"write a rule for what has a history", ru.outline.Match, c.prefixes.User)
	}
	ru.history = h
	if c.memory == nil {
		c.memory = &memory{seed: maphash.MakeSeed()}
	}
	return nil
}

// History returns how much is kept for a destination, by its name on the bus: at most size messages, each for ttl. It
// comes from the rule that decides about a SUBSCRIBE to it, by whatever name a client uses. ok is false if nothing is
// kept. History may be called from any goroutine, for every message.
func (c *Catalogue) History(name string) (size int, ttl time.Duration, ok bool) {
	if c.memory == nil {
		return 0, 0, false
	}
	h := c.memory.of(name, c.history)
	return h.Size, h.TTL, h.Size > 0
}

// history asks the rules.
func (c *Catalogue) history(name string) History {
	if name == c.errorDest {
		return History{}
	}
	if ru := c.about(name); ru != nil {
		return ru.history
	}
	return History{}
}

// Keep returns what a bus must know about history: patterns that match every destination with a history, by its name on
// the bus, and perhaps others; the patterns of rules that exclude some of them; the largest number of messages kept for
// one destination, and the longest time; and the bytes for all together, which the caller chooses. In a pattern ** stands
// for any number of segments, * for one segment or for any text within one, and ? for a character. Without patterns
// nothing is kept at all.
func (c *Catalogue) Keep(bytes int) (k bus.Keep) {
	var without []string
	for i := range c.channels {
		ru := &c.channels[i]
		pattern := ru.match.Pattern()
		if ru.history == (History{}) {
			if !c.IsSession(pattern) { // what is sent there has no destination on the bus
				without = append(without, pattern)
			}
			continue
		}
		if !slices.Contains(k.Patterns, pattern) {
			k.Patterns = append(k.Patterns, pattern)
		}
		k.Without = without
		k.Size, k.Age = max(k.Size, ru.history.Size), max(k.Age, ru.history.TTL)
	}
	k.Bytes, k.Has = bytes, func(destination string) bool {
		_, _, has := c.History(destination)
		return has
	}
	return k
}

const (
	memorySize = 1 << 14 // destinations
	longName   = 256     // bytes, of a destination that is worth to be remembered
)

// memory holds what the rules have said of the destinations that were asked for last. Two that fall into one place take
// turns in it. Any goroutine may use it, without a lock.
type memory struct {
	seed   maphash.Seed
	places [memorySize]atomic.Pointer[remembered]
}

type remembered struct {
	name string
	History
}

// of returns what is remembered of a destination, or else asks.
func (m *memory) of(name string, ask func(name string) History) History {
	if len(name) > longName || destination.IsPattern(name) {
		return ask(name)
	}
	place := &m.places[maphash.String(m.seed, name)%memorySize]
	if known := place.Load(); known != nil && known.name == name {
		return known.History
	}
	h := ask(name)
	place.Store(&remembered{strings.Clone(name), h})
	return h
}
