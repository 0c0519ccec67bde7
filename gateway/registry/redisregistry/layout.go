package redisregistry

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// layout is how the sessions of one node stand in Redis. The writer alone calls its methods.
type layout interface {
	// queue appends the commands that tell Redis of changes. When they have run, or failed, the writer
	// calls settle.
	queue(ctx context.Context, pipe redis.Pipeliner, changes *[buckets]change)
	settle(err error)

	// refresh runs pipe, moves all expiries, and makes the sessions dirty that Redis has lost, whose
	// number it returns. What Redis has too much goes. Lengths are enough to see that, unless doubt says
	// that they may be right by chance.
	refresh(ctx context.Context, pipe redis.Pipeliner, doubt bool) (lost int, err error)

	// leave runs pipe, and takes all sessions out of Redis.
	leave(ctx context.Context, pipe redis.Pipeliner) error
}

// place is where the sessions of one node stand.
type place struct {
	client *Client
	names  names
	node   registry.Node
	expiry time.Duration
	book   *book
}

// exec runs a pipeline, in bounded time. After an error some of its commands may have run.
func exec(ctx context.Context, pipe redis.Pipeliner) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	_, err := pipe.Exec(ctx)
	return err
}

// tallies say how many elements the keys of a row have, each a hash or a sorted set, by what Redis
// answered when they were changed.
type tallies struct {
	length  [buckets]int64
	unsure  [buckets]bool // an answer is missing
	pending []answer
}

// answer is how many elements a command that has not run yet has added or taken.
type answer struct {
	key  int
	cmd  *redis.IntCmd
	sign int64
}

func (t *tallies) add(key int, cmd *redis.IntCmd) { t.pending = append(t.pending, answer{key, cmd, 1}) }

func (t *tallies) take(key int, cmd *redis.IntCmd) {
	t.pending = append(t.pending, answer{key, cmd, -1})
}

func (t *tallies) settle(err error) {
	for _, a := range t.pending {
		if err != nil {
			t.unsure[a.key] = true
		} else {
			t.length[a.key] += a.sign * a.cmd.Val()
		}
	}
	clear(t.pending)
	t.pending = t.pending[:0]
}

// off returns the keys whose lengths are not what they should be, or can't be told.
func (t *tallies) off(lengths *[buckets]*redis.IntCmd, doubt bool) (keys []int) {
	for i, length := range lengths {
		if doubt || t.unsure[i] || length.Val() != t.length[i] {
			keys = append(keys, i)
		}
	}
	return keys
}

// mended notes the length of a key that has been compared with the book.
func (t *tallies) mended(key int, length int) {
	t.length[key], t.unsure[key] = int64(length), false
}
