package redisregistry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// blockList is one sorted set of members, by the time when their block ends, in Unix ms less a half. The
// half tells it from a block of a version in which gateways could share the set, and all of them obeyed it.
type blockList struct {
	client *Client
	key    string
	shared bool // with a gateway of which only whole milliseconds count here
}

// blockEntry is a block as it stands in Redis.
type blockEntry struct {
	redis.Z
	key string    // of the set
	now time.Time // by the clock of its server
}

func (e blockEntry) same(other blockEntry) bool { return e.Z == other.Z && e.key == other.key }

func (e blockEntry) block() (Block, error) {
	member, err := registry.CanonicalMember(e.Member.(string))
	if err != nil {
		return Block{}, err
	}
	until := min(math.Ceil(e.Score), float64(e.now.Add(maxBlock).UnixMilli()))
	return Block{member, time.UnixMilli(int64(until)).Sub(e.now)}, nil
}

// counts reports whether a score is that of a block of this gateway.
func (l *blockList) counts(score float64) bool { return !l.shared || score == math.Trunc(score) }

// tolerated returns err, but nil for a user that must not touch a shared list, and so has no blocks there.
func (l *blockList) tolerated(err error) error {
	if l.shared && redis.IsPermissionError(err) {
		return nil
	}
	return err
}

func (l *blockList) add(ctx context.Context, member string, d time.Duration) error {
	var count *redis.IntCmd
	var was *redis.FloatCmd
	home, now, err := l.look(ctx, true, func(pipe redis.Pipeliner, _ time.Time) {
		count, was = pipe.ZCard(ctx, l.key), pipe.ZScore(ctx, l.key, member)
	})
	if err != nil {
		return err
	}
	if count.Val() >= MaxBlocks && errors.Is(was.Err(), redis.Nil) {
		return ErrTooManyBlocks
	}
	until := float64(now.Add(d).UnixMilli()) - 0.5
	if err := home.ZAdd(ctx, l.key, redis.Z{Score: until, Member: member}).Err(); err != nil {
		return fmt.Errorf("write %s: %w", l.key, err)
	}
	return nil
}

func (l *blockList) remove(ctx context.Context, member string) (was bool, err error) {
	var score *redis.FloatCmd
	home, _, err := l.look(ctx, true, func(pipe redis.Pipeliner, _ time.Time) { score = pipe.ZScore(ctx, l.key, member) })
	if err != nil || score.Err() != nil || !l.counts(score.Val()) {
		return false, err
	}
	removed, err := home.ZRem(ctx, l.key, member).Result()
	if err != nil {
		return false, fmt.Errorf("write %s: %w", l.key, err)
	}
	return removed > 0, nil
}

// read returns the blocks that have not ended, MaxBlocks at most, and may take away what has ended.
func (l *blockList) read(ctx context.Context, tidy bool) (all []blockEntry, err error) {
	var list *redis.ZSliceCmd
	_, now, err := l.look(ctx, tidy, func(pipe redis.Pipeliner, now time.Time) {
		list = pipe.ZRangeByScoreWithScores(ctx, l.key, &redis.ZRangeBy{Min: "(" + millis(now), Max: "+inf", Count: MaxBlocks})
	})
	if err != nil {
		return nil, err
	}
	for _, z := range list.Val() {
		if l.counts(z.Score) {
			all = append(all, blockEntry{z, l.key, now})
		}
	}
	return all, nil
}

// look reads from the list, and may take away what has ended before. It returns the server that has the list, and what
// its clock says.
func (l *blockList) look(ctx context.Context, tidy bool, queue func(pipe redis.Pipeliner, now time.Time)) (home redis.Cmdable, now time.Time, err error) {
	client := l.client.Redis()
	home = client
	if cluster, ok := client.(*redis.ClusterClient); ok {
		if home, err = cluster.MasterForKey(ctx, l.key); err != nil {
			return nil, now, fmt.Errorf("find the server of %s: %w", l.key, err)
		}
	}
	if now, err = home.Time(ctx).Result(); err != nil {
		return nil, now, fmt.Errorf("ask redis for the time: %w", err)
	}
	pipe := home.Pipeline()
	if tidy {
		pipe.ZRemRangeByScore(ctx, l.key, "-inf", millis(now))
	}
	queue(pipe, now)
	if err := exec(ctx, pipe); err != nil && !errors.Is(err, redis.Nil) {
		return nil, now, fmt.Errorf("read %s: %w", l.key, err)
	}
	return home, now, nil
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
