package redisregistry

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// TakenError reports that a live node of another map has the keys of this one.
type TakenError struct {
	Own  string // what the keys begin with
	Node About
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("the keys %s… are those of a live node of another gateway: %s has the layout %s and the prefix %q",
		e.Own, e.Node.Node, e.Node.Layout, e.Node.Prefix)
}

// Claim returns a *TakenError where a live node of another layout or prefix stands under the keys of m.
// What dead nodes left does not count, nor what is others'. Any other error means that Redis does not tell.
func (m Map) Claim(ctx context.Context) error { return claim(ctx, m.Client.Redis(), m.names()) }

func claim(ctx context.Context, client redis.UniversalClient, names names) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	nodes, err := client.SMembers(ctx, names.nodes()).Result()
	if err != nil {
		return err
	}
	pipe := client.Pipeline()
	said := make([]*redis.StringCmd, len(nodes))
	for i, node := range nodes {
		said[i] = pipe.Get(ctx, names.alive(node))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, node := range nodes {
		text, err := said[i].Bytes()
		if err != nil {
			continue
		}
		if about, err := parseAbout(names.alive(node), node, text); err == nil && !about.of(names) {
			return &TakenError{names.own, about}
		}
	}
	return nil
}

// of reports whether the node is one of the map with these names. One that does not say is.
func (a About) of(n names) bool {
	return a.Layout == "" || a.Layout == n.layout && a.Prefix == n.prefix
}
