package admin

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Cluster is all live nodes and their sessions, as an operator sees them: Redis tells who is there,
// and the nodes, over Redis, what they alone know. Its methods may be called from any goroutine.
type Cluster struct {
	// Operator says who asks, for the logs of the nodes. It is set before the first call; empty is nobody.
	Operator string

	m        redisregistry.Map
	reader   *redisregistry.Reader
	blocks   *redisregistry.Blocks
	patience time.Duration
	silence  silence
}

// NewCluster returns the cluster whose session map that is. patience is how long a node may take to
// answer before it counts as silent, default 2 s.
func NewCluster(m redisregistry.Map, patience time.Duration) *Cluster {
	if patience <= 0 {
		patience = 2 * time.Second
	}
	return &Cluster{m: m, reader: redisregistry.NewReader(m), blocks: redisregistry.NewBlocks(m), patience: patience}
}

// Silent returns the nodes that did not answer when they were last asked, in the order of their
// names. What only they know is missing in what the other methods returned. A long-lived Cluster
// forgets them after 10 minutes.
func (c *Cluster) Silent() []string { return c.silence.nodes() }

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
