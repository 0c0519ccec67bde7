package redisregistry

import (
	"context"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// keys is the layout Keys. A key that Redis has too much, such as one that a fail-over brought back,
// is not refreshed and so goes by itself.
type keys struct {
	*place
	index *index        // nil when nobody asks for the sessions of a member
	most  time.Duration // that a refresh may go on while part of a Redis Cluster is away
}

func (k *keys) name(id registry.SessionID) string { return k.names.prefix + k.node.Key(id) }

func (k *keys) queue(ctx context.Context, pipe redis.Pipeliner, changes *[buckets]change) {
	for _, c := range changes {
		for _, s := range c.put {
			pipe.Set(ctx, k.name(s.ID), k.value(s), k.expiry)
		}
		for _, id := range c.drop {
			pipe.Del(ctx, k.name(id))
		}
	}
	k.index.queue(ctx, pipe, changes)
}

func (k *keys) settle(err error) { k.index.settle(err) }

func (k *keys) refresh(ctx context.Context, pipe redis.Pipeliner, doubt bool) (lost int, err error) {
	lengths := k.index.refresh(ctx, pipe)
	began, failed := time.Now(), exec(ctx, pipe)
	for ids := range k.pages(false) {
		n, some, err := k.touch(ctx, ids)
		if lost += n; err == nil {
			continue
		}
		// On a Redis Cluster that lacks a master, what stands on the others must not expire meanwhile.
		if failed = err; !some || time.Since(began) > k.most {
			return lost, err
		}
	}
	if failed != nil {
		return lost, failed
	}
	n, err := k.index.mend(ctx, lengths, doubt)
	return lost + n, err
}

// pages walks the sessions that Redis may have, in pages that fill a pipeline.
func (k *keys) pages(endedToo bool) iter.Seq[[]registry.SessionID] {
	return func(yield func([]registry.SessionID) bool) {
		var ids []registry.SessionID
		for i := range k.book.buckets {
			ids = append(ids, k.book.buckets[i].sent(endedToo)...)
			for len(ids) >= pipelineChanges {
				if !yield(ids[:pipelineChanges]) {
					return
				}
				ids = ids[pipelineChanges:]
			}
		}
		if len(ids) > 0 {
			yield(ids)
		}
	}
}

// touch moves the expiries of some sessions, and makes those dirty that Redis has not. some says that
// Redis has answered part of it, if not all.
func (k *keys) touch(ctx context.Context, ids []registry.SessionID) (lost int, some bool, err error) {
	pipe := k.client.Redis().Pipeline()
	moved := make([]*redis.BoolCmd, len(ids))
	for i, id := range ids {
		moved[i] = pipe.PExpire(ctx, k.name(id), k.expiry)
	}
	err = exec(ctx, pipe)
	for i, cmd := range moved {
		if cmd.Err() != nil {
			continue
		}
		some = true
		if !cmd.Val() && k.book.buckets[bucketOf(ids[i])].redo(ids[i]) {
			lost++
		}
	}
	return lost, some, err
}

func (k *keys) leave(ctx context.Context, pipe redis.Pipeliner) error {
	k.index.leave(ctx, pipe)
	err := exec(ctx, pipe)
	for ids := range k.pages(true) {
		if err != nil {
			return err
		}
		pipe := k.client.Redis().Pipeline()
		for _, id := range ids {
			pipe.Del(ctx, k.name(id))
		}
		err = exec(ctx, pipe)
	}
	return err
}
