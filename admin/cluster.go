package admin

import (
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Cluster is all live nodes and their sessions, as an operator sees them: Redis tells who is there,
// and the nodes, over Redis, what they alone know. Its methods may be called from any goroutine.
type Cluster struct {
	// Operator says who asks, for the logs of the nodes; empty means nobody. Set it before the first call.
	// To name each of several callers, use As.
	Operator string

	// Exact makes Find, and whatever names a session, accept only whole names, for programs: what begins only one key
	// today, or is an id on only one node, may come to mean another session. Set it before the first call.
	Exact bool

	m        redisregistry.Map
	reader   *redisregistry.Reader
	blocks   *redisregistry.Blocks
	patience time.Duration
	asks     chan struct{} // has a place for each that goes on

	silence *silence        // who was silent just now
	unable  map[op]*silence // who was when asked for that, as nodes of the version before are: they answer all else
	silent  *silence        // who was for this caller alone, and has not answered since
}

// maxAsks is how many times a Cluster, and those that As makes of it, ask nodes at once: as many as a node answers at a
// time. Others wait.
const maxAsks = controlWorkers

// NewCluster returns the cluster whose session map is m. patience is how long a node may take to
// answer before it counts as silent, default 2 s.
func NewCluster(m redisregistry.Map, patience time.Duration) *Cluster {
	if patience <= 0 {
		patience = 2 * time.Second
	}
	return &Cluster{m: m, reader: redisregistry.NewReader(m), blocks: redisregistry.NewBlocks(m), patience: patience,
		asks:    make(chan struct{}, maxAsks),
		unable:  map[op]*silence{opNames: {now: time.Now}, opPresence: {now: time.Now}},
		silence: &silence{now: time.Now}, silent: &silence{now: time.Now}}
}

// As returns the cluster for somebody who asks under that name, or for one of their requests: its Silent covers only
// that. The rest is shared; it costs next to nothing.
func (c *Cluster) As(operator string) *Cluster {
	as := *c
	as.Operator, as.silent = operator, &silence{now: c.silent.now}
	return &as
}

// Silent returns the nodes that did not answer when this Cluster last asked them, in the order of their names. What a
// Cluster made from it by As has asked does not count. Nodes that were silent just now count as asked. What only they
// know is missing from what the other methods returned. A long-lived Cluster forgets them after 10 minutes.
func (c *Cluster) Silent() []string { return c.silent.nodes() }

// IsAway reports whether err says that Redis could not be asked, or is the error it answered with: the same may work later.
func IsAway(err error) bool {
	return errors.As(err, new(redis.Error)) || errors.As(err, new(net.Error)) ||
		slices.ContainsFunc([]error{io.EOF, net.ErrClosed, redis.ErrClosed, redis.ErrPoolTimeout, redis.ErrPoolExhausted},
			func(one error) bool { return errors.Is(err, one) })
}

// spares reports whether a node was silent just now, so that it is not waited for.
func (c *Cluster) spares(node string, o op) bool {
	if unable := c.unable[o]; !c.silence.spares(node) && (unable == nil || !unable.spares(node)) {
		return false
	}
	c.silent.note(node, true)
	return true
}

// note takes down whether a node was silent.
func (c *Cluster) note(node string, o op, silent bool) {
	c.silent.note(node, silent)
	of := c.silence
	if unable := c.unable[o]; unable != nil {
		of = unable
	}
	of.note(node, silent)
}

const (
	silenceSpared   = 30 * time.Second // for which a silent node is not waited for again
	silenceRecalled = 10 * time.Minute // for which it is remembered at all
)

// silence remembers which nodes did not answer. Its methods may be called from any goroutine.
type silence struct {
	now   func() time.Time
	mu    sync.Mutex
	since map[string]time.Time // by node
}

// note takes down whether a node was silent.
func (s *silence) note(node string, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	delete(s.since, node)
	if !silent {
		return
	}
	if s.since == nil {
		s.since = map[string]time.Time{}
	}
	s.since[node] = s.now()
}

// forget drops what is too old.
func (s *silence) forget() {
	now := s.now()
	maps.DeleteFunc(s.since, func(_ string, since time.Time) bool { return now.Sub(since) > silenceRecalled })
}

// spares reports whether a node was silent just now.
func (s *silence) spares(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, ok := s.since[node]
	return ok && s.now().Sub(since) < silenceSpared
}

func (s *silence) nodes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	return slices.Sorted(maps.Keys(s.since))
}
