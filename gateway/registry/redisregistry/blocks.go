package redisregistry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
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

// Blocks is the list of the blocks of a cluster: a sorted set of members, by the time when their block
// ends. That is by the clock of the Redis server that has the set, so the clocks of nodes and operators
// don't matter. Its methods may be called from any goroutine.
type Blocks struct {
	client *Client
	key    string
}

// NewBlocks returns the list that stands beside the session map.
func NewBlocks(m Map) *Blocks { return &Blocks{m.Client, m.names().blocked()} }

// Add blocks a member for d from now on, or changes until when it is blocked. d is more than 0 and at
// most 100 years. Beyond MaxBlocks the error is ErrTooManyBlocks.
func (b *Blocks) Add(ctx context.Context, member string, d time.Duration) error {
	member, err := canonical(member)
	switch {
	case err != nil:
		return err
	case d < time.Millisecond || d > maxBlock:
		return fmt.Errorf("a block can't last %s: want 1ms to %s", d, maxBlock)
	}
	home, now, err := b.now(ctx)
	if err != nil {
		return err
	}
	pipe := home.Pipeline()
	b.forget(ctx, pipe, now)
	count, was := pipe.ZCard(ctx, b.key), pipe.ZScore(ctx, b.key, member)
	if err := exec(ctx, pipe); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("read %s: %w", b.key, err)
	}
	if count.Val() >= MaxBlocks && errors.Is(was.Err(), redis.Nil) {
		return ErrTooManyBlocks
	}
	until := now.Add(d).UnixMilli()
	if err := home.ZAdd(ctx, b.key, redis.Z{Score: float64(until), Member: member}).Err(); err != nil {
		return fmt.Errorf("write %s: %w", b.key, err)
	}
	return nil
}

// Remove ends the block of a member, and reports whether there was one.
func (b *Blocks) Remove(ctx context.Context, member string) (was bool, err error) {
	if member, err = canonical(member); err != nil {
		return false, err
	}
	home, now, err := b.now(ctx)
	if err != nil {
		return false, err
	}
	pipe := home.Pipeline()
	b.forget(ctx, pipe, now)
	removed := pipe.ZRem(ctx, b.key, member)
	if err := exec(ctx, pipe); err != nil {
		return false, fmt.Errorf("write %s: %w", b.key, err)
	}
	return removed.Val() > 0, nil
}

// All returns the blocks that have not ended, the one that ends first first, MaxBlocks at most.
func (b *Blocks) All(ctx context.Context) ([]Block, error) {
	all, now, err := b.read(ctx, false)
	if err != nil {
		return nil, err
	}
	blocks := make([]Block, 0, len(all))
	for _, z := range all {
		block, err := newBlock(z, now)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", b.key, err)
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}

// read returns what All does, as it stands in Redis, and may take away what has ended.
func (b *Blocks) read(ctx context.Context, tidy bool) (all []redis.Z, now time.Time, err error) {
	home, now, err := b.now(ctx)
	if err != nil {
		return nil, now, err
	}
	pipe := home.Pipeline()
	if tidy {
		b.forget(ctx, pipe, now)
	}
	list := pipe.ZRangeByScoreWithScores(ctx, b.key, &redis.ZRangeBy{Min: "(" + millis(now), Max: "+inf", Count: MaxBlocks})
	if err := exec(ctx, pipe); err != nil {
		return nil, now, fmt.Errorf("read %s: %w", b.key, err)
	}
	return list.Val(), now, nil
}

func newBlock(z redis.Z, now time.Time) (Block, error) {
	member, err := canonical(z.Member.(string))
	if err != nil {
		return Block{}, err
	}
	until := min(z.Score, float64(now.Add(maxBlock).UnixMilli()))
	return Block{member, time.UnixMilli(int64(until)).Sub(now)}, nil
}

// now returns the server that has the list, and what its clock says.
func (b *Blocks) now(ctx context.Context) (home redis.Cmdable, now time.Time, err error) {
	client := b.client.Redis()
	home = client
	if cluster, ok := client.(*redis.ClusterClient); ok {
		if home, err = cluster.MasterForKey(ctx, b.key); err != nil {
			return nil, time.Time{}, fmt.Errorf("find the server of %s: %w", b.key, err)
		}
	}
	if now, err = home.Time(ctx).Result(); err != nil {
		return nil, time.Time{}, fmt.Errorf("ask redis for the time: %w", err)
	}
	return home, now, nil
}

// forget appends the command that takes away the blocks that have ended.
func (b *Blocks) forget(ctx context.Context, pipe redis.Pipeliner, now time.Time) {
	pipe.ZRemRangeByScore(ctx, b.key, "-inf", millis(now))
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// blocksTold is what Config.Blocked was told last.
type blocksTold struct {
	once bool
	all  []redis.Z
}

// tellBlocks tells Config.Blocked the blocks: at the first heartbeat, when they have changed, and
// when always says so, for Refresh. All of them are read each time, since few members are ever blocked.
func (r *Registry) tellBlocks(ctx context.Context, always bool) error {
	if r.cfg.Blocked == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	list := &Blocks{r.client, r.names.blocked()}
	all, now, err := list.read(ctx, true)
	if err != nil || r.blocks.once && !always && slices.Equal(all, r.blocks.all) {
		return err
	}
	r.blocks = blocksTold{true, all}
	blocks := make([]Block, 0, len(all))
	for _, z := range all {
		block, err := newBlock(z, now)
		if err != nil { // others' data must not make this node unready
			r.log.Error("skipped a block that is none", "key", list.key, "err", err)
			continue
		}
		blocks = append(blocks, block)
	}
	r.cfg.Blocked(blocks)
	return nil
}
