package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Node is a live node as operators see it.
type Node struct {
	Short       string     `json:"id"` // for people: d0b6fbca
	Name        string     `json:"node"`
	Host        string     `json:"host"`    // what people call it
	Address     string     `json:"address"` // where clients reach it
	State       string     `json:"state"`   // "serving", "not ready", "draining", "silent" when it does not answer, "foreign" when it is not a stompgw node
	Sessions    int        `json:"sessions"`
	Version     string     `json:"version"`
	Bus         string     `json:"bus"`
	StartedAt   *time.Time `json:"started_at"`
	HeartbeatAt *time.Time `json:"heartbeat_at"`
	Connections *int       `json:"connections"` // null when the node is silent
	Ready       *string    `json:"ready"`       // "yes", or why not; null when the node is silent
}

// Nodes returns the live nodes, in the order in which they started. Each is asked, and may be silent: then
// Sessions is what it reported with its last heartbeat.
func (c *Cluster) Nodes(ctx context.Context) ([]Node, error) {
	abouts, err := c.reader.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	return c.askNodes(ctx, abouts)
}

// askNodes makes Nodes of what Redis knows of nodes and of what they say.
func (c *Cluster) askNodes(ctx context.Context, abouts []redisregistry.About) ([]Node, error) {
	nodes, index := make([]Node, len(abouts)), map[string]*Node{}
	for i, about := range abouts {
		nodes[i] = newNode(about)
		index[about.Node] = &nodes[i]
	}
	err := c.askAll(ctx, c.questions(abouts, request{Op: opAbout}), func(q *question) {
		if s := q.whole.State; q.err() == nil && s != nil {
			index[q.node].say(*s)
		}
	})
	return nodes, err
}

func newNode(about redisregistry.About) Node {
	n := Node{Short: registry.ShortNode(about.Node), Name: about.Node, Host: printable(about.Host), Address: printable(about.Address), State: "silent", Sessions: about.Sessions, Version: about.Version, Bus: about.Bus}
	if about.Foreign() {
		n.State = "foreign"
	}
	if !about.StartedAt.IsZero() {
		n.StartedAt = &about.StartedAt
	}
	if !about.HeartbeatAt.IsZero() {
		n.HeartbeatAt = &about.HeartbeatAt
	}
	return n
}

func (n *Node) say(s nodeState) {
	switch {
	case s.Draining:
		n.State = "draining"
	case s.Ready != ready:
		n.State = "not ready"
	default:
		n.State = "serving"
	}
	n.Sessions, n.Connections, n.Ready = s.Sessions, &s.Connections, &s.Ready
}

// ErrNoNode reports a name that is neither a live node's nor the beginning of one.
var ErrNoNode = errors.New("no live node has this name")

// ErrSilent reports a node that did not answer in time. It may have done what it was asked to do.
var ErrSilent = errors.New("the node did not answer")

// AmbiguousError reports a name that several nodes or sessions have, or that several names begin with.
type AmbiguousError = redisregistry.AmbiguousError

// FindNode returns the live node that name means: its name or UUID, the beginning of one of these that only
// one node has, or a host that only one node has. The node is asked, and may be silent. Errors are ErrNoNode
// and *AmbiguousError.
func (c *Cluster) FindNode(ctx context.Context, name string) (Node, error) {
	abouts, err := c.reader.Nodes(ctx)
	if err != nil {
		return Node{}, err
	}
	about, err := pickNode(abouts, name)
	if err != nil {
		return Node{}, err
	}
	nodes, err := c.askNodes(ctx, []redisregistry.About{about})
	return nodes[0], err
}

// pickNode returns the one that name means.
func pickNode(nodes []redisregistry.About, name string) (redisregistry.About, error) {
	var hits []redisregistry.About
	several := &AmbiguousError{Name: name, What: "nodes"}
	for _, n := range nodes {
		_, uuid, _ := strings.Cut(n.Node, "/")
		switch {
		case n.Node == name:
			return n, nil
		case name != "" && (strings.HasPrefix(n.Node, name) || strings.HasPrefix(uuid, name) || n.Host == name):
			hits, several.Keys = append(hits, n), append(several.Keys, n.Node)
		}
	}
	switch len(hits) {
	case 0:
		return redisregistry.About{}, fmt.Errorf("%s: %w", name, ErrNoNode)
	case 1:
		return hits[0], nil
	}
	return redisregistry.About{}, several
}

// Drain makes a node, given by its whole name, drain its sessions and end. It returns how many sessions those
// are. Errors are ErrSilent, what the node says, and those of Redis.
func (c *Cluster) Drain(ctx context.Context, node string) (sessions int, err error) {
	q := &question{node: node, request: request{Op: opDrain, By: c.Operator}}
	if err := c.askAll(ctx, []*question{q}, func(*question) {}); err != nil {
		return 0, err
	}
	if q.err() == nil && q.whole.State != nil {
		sessions = q.whole.State.Sessions
	}
	return sessions, q.err()
}
