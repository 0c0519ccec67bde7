package redisregistry

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// index lists the sessions of each member in sorted sets, where those of one member stand side by
// side: all scores are 0, and Redis then sorts by bytes. A nil *index lists nothing.
type index struct {
	*place
	tallies tallies
}

// element is a listing as it stands in a sorted set. No member holds a NUL: JSON escapes it.
func (l listing) element() string { return l.member + "\x00" + l.id.String() }

func parseElement(element string) (l listing, err error) {
	member, id, _ := strings.Cut(element, "\x00")
	l.member = member
	l.id, err = registry.ParseSessionID(id)
	return l, err
}

// queue appends the commands of changes, one or two for each shard that they touch.
func (x *index) queue(ctx context.Context, pipe redis.Pipeliner, changes *[buckets]change) {
	if x == nil {
		return
	}
	var list [buckets][]redis.Z
	var unlist [buckets][]any
	for _, c := range changes {
		for _, l := range c.unlist {
			shard := shardOf(l.member)
			unlist[shard] = append(unlist[shard], l.element())
		}
		for _, s := range c.put {
			if s.Member != "" {
				shard := shardOf(s.Member)
				list[shard] = append(list[shard], redis.Z{Member: listing{s.Member, s.ID}.element()})
			}
		}
	}
	for i := range buckets {
		key := x.names.members(x.node.String(), i)
		if len(unlist[i]) > 0 {
			x.tallies.take(i, pipe.ZRem(ctx, key, unlist[i]...))
		}
		if len(list[i]) > 0 {
			x.tallies.add(i, pipe.ZAdd(ctx, key, list[i]...))
			pipe.PExpire(ctx, key, x.expiry)
		}
	}
}

func (x *index) settle(err error) {
	if x != nil {
		x.tallies.settle(err)
	}
}

// refresh appends the commands that move the expiries and ask for the lengths.
func (x *index) refresh(ctx context.Context, pipe redis.Pipeliner) (lengths *[buckets]*redis.IntCmd) {
	if x == nil {
		return nil
	}
	lengths = new([buckets]*redis.IntCmd)
	for i := range lengths {
		key := x.names.members(x.node.String(), i)
		pipe.PExpire(ctx, key, x.expiry)
		lengths[i] = pipe.ZCard(ctx, key)
	}
	return lengths
}

// mend compares the shards that are off with the book. Sessions that one of them lacks, and others of
// that shard, become dirty; what it has too much goes.
func (x *index) mend(ctx context.Context, lengths *[buckets]*redis.IntCmd, doubt bool) (lost int, err error) {
	if x == nil {
		return 0, nil
	}
	off := x.tallies.off(lengths, doubt)
	if len(off) == 0 {
		return 0, nil
	}
	lack := make(map[int]bool)
	want := x.book.listed() // before have: what changes in between lowers have alone, which is harmless
	for _, shard := range off {
		have, err := x.weed(ctx, shard)
		if err != nil {
			return 0, err
		}
		lack[shard] = have < want[shard]
	}
	return x.book.relist(lack), nil
}

// weed takes out of a shard what does not belong there, and returns how many of the book's listed
// sessions it has.
func (x *index) weed(ctx context.Context, shard int) (have int, err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	key := x.names.members(x.node.String(), shard)
	elements, err := x.client.Redis().ZRange(ctx, key, 0, -1).Result()
	if err != nil {
		return 0, err
	}
	var excess []any
	for _, element := range elements {
		l, err := parseElement(element)
		rightly, counts := err == nil && shardOf(l.member) == shard, false
		if rightly {
			rightly, counts = x.book.buckets[bucketOf(l.id)].knows(l.id, l.member)
		}
		if !rightly {
			excess = append(excess, element)
		}
		if counts {
			have++
		}
	}
	for some := range slices.Chunk(excess, pipelineChanges) {
		if err := x.client.Redis().ZRem(ctx, key, some...).Err(); err != nil {
			return 0, err
		}
	}
	x.tallies.mended(shard, len(elements)-len(excess))
	return have, nil
}

func (x *index) leave(ctx context.Context, pipe redis.Pipeliner) {
	if x == nil {
		return
	}
	for i := range buckets {
		pipe.Unlink(ctx, x.names.members(x.node.String(), i))
	}
}
