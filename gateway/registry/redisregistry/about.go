package redisregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// About is what a node says about itself with every heartbeat, as JSON. All that is known about a node of
// the replaced system is that it has sessions.
type About struct {
	Node        string    `json:"serverUuid"`
	Host        string    `json:"host,omitempty"`    // name of the node for people
	Address     string    `json:"address,omitempty"` // where clients reach it, host:port
	Version     string    `json:"version,omitempty"` // of stompgw
	Bus         string    `json:"bus,omitempty"`     // such as "kafka"
	Layout      Layout    `json:"layout,omitempty"`  // of its Map; missing from versions that did not tell
	Prefix      string    `json:"prefix,omitempty"`  // as Layout
	Sessions    int       `json:"sessions"`          // at that time
	StartedAt   time.Time `json:"startedAt,omitzero"`
	HeartbeatAt time.Time `json:"heartbeatAt,omitzero"` // by the node's clock
}

// Foreign reports whether the node is one of the replaced system.
func (a About) Foreign() bool { return a.HeartbeatAt.IsZero() }

// about is what the node of r says now.
func (r *Registry) about() ([]byte, error) {
	sessions, _ := r.book.count()
	return json.Marshal(About{
		Node:        r.node.String(),
		Host:        r.cfg.Host,
		Address:     r.cfg.Address,
		Version:     r.cfg.Version,
		Bus:         r.cfg.Bus,
		Layout:      r.names.layout,
		Prefix:      r.names.prefix,
		Sessions:    sessions,
		StartedAt:   r.cfg.Started,
		HeartbeatAt: time.Now(),
	})
}

// abouts returns what the live nodes of the list said last, in the order of their names. odd is the first fault of an
// entry, which may be others' data; such a node is left out.
func abouts(ctx context.Context, client redis.UniversalClient, names names) (nodes []About, odd, err error) {
	list, err := client.SMembers(ctx, names.nodes()).Result()
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", names.nodes(), err)
	}
	slices.Sort(list)
	pipe := client.Pipeline()
	said := make([]*redis.StringCmd, len(list))
	for i, node := range list {
		said[i] = pipe.Get(ctx, names.alive(node))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, node := range list {
		about, err := parseAbout(node, said[i])
		switch {
		case err == nil:
			nodes = append(nodes, about)
		case odd == nil && !errors.Is(err, redis.Nil):
			odd = fmt.Errorf("read %s: %w", names.alive(node), err)
		}
	}
	return nodes, odd, nil
}

// parseAbout reads what a node said.
func parseAbout(node string, said *redis.StringCmd) (a About, err error) {
	text, err := said.Bytes()
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err == nil {
		_, err = registry.ParseNode(node)
	}
	if err == nil && (a.Node != node || a.HeartbeatAt.IsZero()) {
		err = fmt.Errorf("it is not what node %s says of itself", node)
	}
	return a, err
}

// TakenError reports that a live node of another map uses the keys of this one.
type TakenError struct {
	Own  string // prefix of the keys
	Node About
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("the keys %s… are those of a live node of another gateway: %s has the layout %s and the prefix %q",
		e.Own, e.Node.Node, e.Node.Layout, e.Node.Prefix)
}

// Claim returns a *TakenError if a live node with another layout or prefix uses the keys of m. What dead
// nodes left does not count, nor what others wrote. Any other error means that Redis does not tell.
func (m Map) Claim(ctx context.Context) error { return claim(ctx, m.Client.Redis(), m.names()) }

func claim(ctx context.Context, client redis.UniversalClient, names names) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	nodes, _, err := abouts(ctx, client, names)
	for _, about := range nodes {
		if !about.of(names) {
			return &TakenError{names.own, about}
		}
	}
	return err
}

// of reports whether the node is one of the map with these names. One that does not say is.
func (a About) of(n names) bool {
	return a.Layout == "" || a.Layout == n.layout && a.Prefix == n.prefix
}
