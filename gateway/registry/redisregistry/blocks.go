package redisregistry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

// MaxBlocks is how many members can be blocked at once.
const MaxBlocks = 10_000

// ErrTooManyBlocks reports a block beyond MaxBlocks.
var ErrTooManyBlocks = fmt.Errorf("redisregistry: %d members are blocked, which is the most there can be; end a block, or wait until one ends", MaxBlocks)

// maxBlock is the longest that a block may last: Redis then keeps milliseconds exactly.
const maxBlock = 100 * 365 * 24 * time.Hour

// Block keeps a member from having sessions, on all nodes, for a while.
type Block struct {
	Member string        // as JSON: 42 or "bob"
	Left   time.Duration // until it ends
}

// Blocks is a cluster's list of blocks. They end by the clock of the Redis server that holds them, so the
// clocks of nodes and operators don't matter. Its methods may be called from any goroutine.
type Blocks struct {
	lists []blockList // besides the first, where versions with another Map.Own have it
}

// NewBlocks returns the list that is stored beside the session map.
func NewBlocks(m Map) *Blocks {
	b := &Blocks{[]blockList{{client: m.Client, key: m.names().blocked()}}}
	if own := m.formerOwn(); own != "" {
		b.lists = append(b.lists, blockList{client: m.Client, key: names{own: own}.blocked(), shared: true})
	}
	return b
}

// Add blocks a member for d from now on, or changes how long it is blocked. d is 1 ms to 100 years.
// Beyond MaxBlocks the error is ErrTooManyBlocks.
func (b *Blocks) Add(ctx context.Context, member string, d time.Duration) error {
	member, err := registry.CanonicalMember(member)
	switch {
	case err != nil:
		return err
	case d < time.Millisecond || d > maxBlock:
		return fmt.Errorf("a block can't last %s: want 1ms to %s", d, maxBlock)
	}
	if err := b.lists[0].add(ctx, member, d); err != nil {
		return err
	}
	_, err = b.remove(ctx, member, b.lists[1:])
	return err
}

// Remove ends the block of a member, and reports whether there was one.
func (b *Blocks) Remove(ctx context.Context, member string) (was bool, err error) {
	if member, err = registry.CanonicalMember(member); err != nil {
		return false, err
	}
	return b.remove(ctx, member, b.lists)
}

func (b *Blocks) remove(ctx context.Context, member string, lists []blockList) (was bool, err error) {
	for _, l := range lists {
		removed, err := l.remove(ctx, member)
		if was = was || removed; l.tolerated(err) != nil {
			return was, err
		}
	}
	return was, nil
}

// All returns the blocks that have not ended, in the order of their ends: at most MaxBlocks, and as many
// from former versions.
func (b *Blocks) All(ctx context.Context) ([]Block, error) {
	all, err := b.read(ctx, false)
	if err != nil {
		return nil, err
	}
	blocks := make([]Block, 0, len(all))
	for _, e := range all {
		block, err := e.block()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", e.key, err)
		}
		blocks = append(blocks, block)
	}
	return latest(blocks), nil
}

// read returns what stands in Redis, and may take away what has ended.
func (b *Blocks) read(ctx context.Context, tidy bool) (all []blockEntry, err error) {
	for _, l := range b.lists {
		some, err := l.read(ctx, tidy)
		if all = append(all, some...); l.tolerated(err) != nil {
			return all, err
		}
	}
	return all, nil
}

// latest puts blocks into the order in which they end, and keeps of those of one member the last.
func latest(blocks []Block) []Block {
	slices.SortFunc(blocks, func(a, b Block) int { return cmp.Or(cmp.Compare(b.Left, a.Left), cmp.Compare(b.Member, a.Member)) })
	seen := make(map[string]bool, len(blocks))
	blocks = slices.DeleteFunc(blocks, func(b Block) bool {
		again := seen[b.Member]
		seen[b.Member] = true
		return again
	})
	slices.Reverse(blocks)
	return blocks
}

// blocksTold is what Config.Blocked was told last.
type blocksTold struct {
	once bool
	all  []blockEntry
}

// tellBlocks tells Config.Blocked the blocks: at the first heartbeat, when they have changed, and
// when always says so, for Refresh. All of them are read each time, since few members are ever blocked.
func (r *Registry) tellBlocks(ctx context.Context, always bool) error {
	if r.cfg.Blocked == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	all, err := r.blocks.read(ctx, true)
	if err != nil || r.told.once && !always && slices.EqualFunc(all, r.told.all, blockEntry.same) {
		return err
	}
	r.told = blocksTold{true, all}
	blocks := make([]Block, 0, len(all))
	for _, e := range all {
		block, err := e.block()
		if err != nil { // others' data must not make this node unready
			r.log.Error("skipped a block that is none", "key", e.key, "err", err)
			continue
		}
		blocks = append(blocks, block)
	}
	r.cfg.Blocked(latest(blocks))
	return nil
}
