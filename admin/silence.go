package admin

import (
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	silenceSpared   = 30 * time.Second // for which a silent node is not waited for again
	silenceRecalled = 10 * time.Minute // for which it is remembered at all
)

// silence remembers which nodes did not answer. Its methods may be called from any goroutine.
type silence struct {
	mu    sync.Mutex
	since map[string]time.Time // by node
}

// note takes down whether a node was silent.
func (s *silence) note(node string, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.since, node)
	if !silent {
		return
	}
	now := time.Now()
	maps.DeleteFunc(s.since, func(_ string, since time.Time) bool { return now.Sub(since) > silenceRecalled })
	if s.since == nil {
		s.since = map[string]time.Time{}
	}
	s.since[node] = now
}

// spares reports whether a node was silent just now.
func (s *silence) spares(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, ok := s.since[node]
	return ok && time.Since(since) < silenceSpared
}

func (s *silence) nodes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.since))
}
