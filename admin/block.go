package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

// Block is a member that can't connect for a while.
type Block struct {
	Member json.RawMessage `json:"member"`
	Left   time.Duration   `json:"-"`
	Until  time.Time       `json:"until"` // by this machine's clock
}

// Blocks returns the members that can't connect for a while, in the order in which the blocks end.
func (c *Cluster) Blocks(ctx context.Context) ([]Block, error) {
	all, err := c.blocks.All(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	list := make([]Block, len(all))
	for i, b := range all {
		list[i] = Block{Member: json.RawMessage(b.Member), Left: b.Left, Until: now.Add(b.Left)}
	}
	return list, nil
}

// Block keeps a member, named as registry.ParseMember takes it, from connecting and logging in for d, whether it has
// sessions or not; existing ones stay. It returns when the nodes know, except silent ones, which learn it
// with a heartbeat. Beyond redisregistry.MaxBlocks the error is redisregistry.ErrTooManyBlocks.
func (c *Cluster) Block(ctx context.Context, member string, d time.Duration) error {
	id, err := registry.ParseMember(member)
	if err != nil {
		return err
	}
	if err := c.blocks.Add(ctx, id, d); err != nil {
		return err
	}
	return c.tellBlocks(ctx, request{Whom: id, For: d.String()})
}

// Unblock lets a member connect again, named as registry.ParseMember takes it, and reports whether it was blocked.
// It returns when the nodes know, except silent ones, which learn it with a heartbeat.
func (c *Cluster) Unblock(ctx context.Context, member string) (was bool, err error) {
	id, err := registry.ParseMember(member)
	if err != nil {
		return false, err
	}
	if was, err = c.blocks.Remove(ctx, id); err != nil || !was {
		return was, err
	}
	return was, c.tellBlocks(ctx, request{Whom: id})
}

// tellBlocks has the nodes read the blocks again; did says what for their logs tell, in Whom and For.
func (c *Cluster) tellBlocks(ctx context.Context, did request) error {
	nodes, err := c.reader.Nodes(ctx)
	if err != nil {
		return err
	}
	did.Op, did.By = opRefresh, c.Operator
	return c.askAll(ctx, c.questions(nodes, did), func(*question) {})
}

// block keeps the members of sessions out, and returns when the nodes know: a client that is kicked is
// often back within a moment.
func (w *kicker) block(ctx context.Context, sessions []Session) error {
	fresh := false
	for _, s := range sessions {
		m := s.member()
		if m == "" || w.blocked[m] {
			continue
		}
		if err := w.cluster.blocks.Add(ctx, m, w.kick.Block); err != nil {
			return err
		}
		w.blocked[m], fresh = true, true
	}
	if !fresh {
		return nil
	}
	if w.nodes == nil {
		var err error
		if w.nodes, err = w.cluster.reader.Nodes(ctx); err != nil {
			return err
		}
	}
	return w.cluster.askAll(ctx, w.cluster.questions(w.nodes, request{Op: opRefresh, By: w.cluster.Operator}), func(*question) {})
}
