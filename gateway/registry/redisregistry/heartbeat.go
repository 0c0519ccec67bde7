package redisregistry

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// beat says that the node lives, moves all expiries, and looks for what Redis has lost: it was
// emptied, or failed over to a replica that missed the last writes. What is lost becomes dirty, and
// write does the rest. It also looks for blocks and for dead nodes.
func (r *Registry) beat(ctx context.Context) error {
	if !r.claimed {
		if err := claim(ctx, r.client.Redis(), r.names); err != nil {
			return err
		}
		r.claimed = true
	}
	nodes, err := r.announce(ctx)
	if err != nil {
		return err
	}
	if err := r.compare(ctx); err != nil {
		return err
	}
	r.redoLate()
	signal(r.wake) // for what came in while Redis was away
	if err := r.tellBlocks(ctx, false); err != nil {
		return err
	}
	return r.sweep(ctx, nodes)
}

// announce says that the node lives, and returns the nodes that said so, be it a while ago.
func (r *Registry) announce(ctx context.Context) (nodes []string, err error) {
	about, err := r.about()
	if err != nil {
		return nil, err
	}
	pipe := r.client.Redis().Pipeline()
	pipe.Set(ctx, r.names.alive(r.node.String()), about, r.cfg.Expiry)
	pipe.SAdd(ctx, r.names.nodes(), r.node.String())
	pipe.PExpire(ctx, r.names.nodes(), r.cfg.Expiry)
	all := pipe.SMembers(ctx, r.names.nodes())
	lost, err := r.layout.refresh(ctx, pipe, false)
	r.noteLost(lost)
	return all.Val(), err
}

func (r *Registry) noteLost(lost int) {
	if lost == 0 {
		return
	}
	r.rewritten.Add(uint64(lost))
	r.log.Warn("redis lost sessions of this node; writing them again", "sessions", lost, "of", r.Figures().Sessions)
}

// compare finds out whether Redis has other data than at the last heartbeat. If so everything is
// compared, not lengths alone, and every value written again, since a login may be lost as well. Other
// connections may still lead to the former servers, and are given up.
func (r *Registry) compare(ctx context.Context) error {
	client := r.client.Redis()
	stale := client == r.lineage.asked && !r.lineage.doubt // nobody has renewed it yet
	refusal, err := r.lineage.check(ctx, client, r.health.err != nil)
	if err != nil {
		return err
	}
	if refusal != nil && redis.IsPermissionError(refusal) {
		r.log.Warn("redis does not let this user ask INFO; a fail-over that loses writes may go unnoticed", "err", refusal)
	}
	if !r.lineage.doubt {
		return nil
	}
	if stale {
		r.client.Renew()
	}
	r.log.Info("redis was started again or failed over; comparing the session map", "sessions", r.Figures().Sessions)
	lost, err := r.layout.refresh(ctx, r.client.Redis().Pipeline(), true)
	if r.noteLost(lost); err != nil {
		return err
	}
	r.book.redo(func(listing) bool { return true })
	r.lineage.doubt = false
	return nil
}

// sweep takes away what dead nodes left: those without an alive key at two heartbeats in a row. Most
// of it has expired by then, or is about to, but to UNLINK does not hold up Redis as an expiry may.
// Several nodes may do so at once, and a node that only seemed dead writes its map again.
func (r *Registry) sweep(ctx context.Context, nodes []string) error {
	nodes = slices.DeleteFunc(nodes, func(node string) bool { return node == r.node.String() })
	if len(nodes) == 0 {
		r.missing = nil
		return nil
	}
	pipe := r.client.Redis().Pipeline()
	alive := make([]*redis.IntCmd, len(nodes))
	for i, node := range nodes {
		alive[i] = pipe.Exists(ctx, r.names.alive(node))
	}
	if err := exec(ctx, pipe); err != nil {
		return err
	}
	missing := make(map[string]bool)
	for i, node := range nodes {
		if alive[i].Val() > 0 {
			continue
		}
		if !r.missing[node] {
			missing[node] = true
			continue
		}
		if err := r.bury(ctx, node); err != nil {
			return err
		}
	}
	r.missing = missing
	return nil
}

// bury takes away what one dead node left.
func (r *Registry) bury(ctx context.Context, node string) error {
	pipe := r.client.Redis().Pipeline()
	for i := range buckets {
		pipe.Unlink(ctx, r.names.sessions(node, i))
		pipe.Unlink(ctx, r.names.members(node, i))
	}
	was := pipe.SRem(ctx, r.names.nodes(), node)
	if err := exec(ctx, pipe); err != nil {
		return err
	}
	if was.Val() > 0 { // else another node was first
		r.swept.Add(1)
		r.log.Info("took away what a dead node left in redis", "node", node)
	}
	return nil
}
