package admin

import (
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
