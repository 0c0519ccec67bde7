package presence

import "time"

// maxStrangers is how many names of nodes that are in no list are remembered.
const maxStrangers = 64

// strangers are nodes that have told something and are in no list: new ones, which will be in the next one, some that were suspended for long, or none of
// this cluster.
type strangers map[string]*stranger

type stranger struct {
	since time.Time // when it told the first
	told  uint64    // how much it has told since
}

// note notes that such a node has told something. It reports false where there are too many.
func (s strangers) note(node string, now time.Time) bool {
	if s[node] == nil {
		if len(s) == maxStrangers {
			return false
		}
		s[node] = &stranger{since: now}
	}
	s[node].told++
	return true
}

// list forgets those that are listed as live, and those that are not long after they told something: it returns how much these have told.
func (s strangers) list(live map[string]*peer, now time.Time) (ignored uint64) {
	for node, it := range s {
		switch {
		case live[node] != nil:
			delete(s, node)
		case now.Sub(it.since) > listDoubt:
			ignored += it.told
			delete(s, node)
		}
	}
	return ignored
}
