package redisregistry

import (
	"context"
	"encoding/json"
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
	// number it returns, with others that stand in the same key. What Redis has too much goes. Lengths are
	// enough to see that, unless doubt says that they may be right by chance.
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

// value is a session as Redis has it. It can't fail: Registry.Add lets nothing in that is no JSON.
func (p *place) value(s registry.Session) []byte {
	text, _ := json.Marshal(p.node.Value(s))
	return text
}

// exec runs a pipeline, in bounded time. After an error some of its commands may have run.
func exec(ctx context.Context, pipe redis.Pipeliner) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	_, err := pipe.Exec(ctx)
	return err
}
