package redisregistry

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// hashes is the layout Hashes.
type hashes struct {
	*place
	index   *index
	tallies tallies
}

// queue implements layout. Each HSET brings its own PEXPIRE, since it may create the hash: a node
// that dies before its next heartbeat must leave nothing that never expires.
func (h *hashes) queue(ctx context.Context, pipe redis.Pipeliner, changes *[buckets]change) {
	for i, c := range changes {
		key := h.names.sessions(h.node.String(), i)
		if len(c.put) > 0 {
			pairs := make([]any, 0, 2*len(c.put))
			for _, s := range c.put {
				pairs = append(pairs, h.node.Key(s.ID), h.value(s))
			}
			h.tallies.add(i, pipe.HSet(ctx, key, pairs...))
			pipe.PExpire(ctx, key, h.expiry)
		}
		if len(c.drop) > 0 {
			h.tallies.take(i, pipe.HDel(ctx, key, h.fields(c.drop)...))
		}
	}
	h.index.queue(ctx, pipe, changes)
}

func (p *place) fields(ids []registry.SessionID) []string {
	fields := make([]string, len(ids))
	for i, id := range ids {
		fields[i] = p.node.Key(id)
	}
	return fields
}

// value is a session as Redis has it. It can't fail: Registry.Add lets nothing in that is no JSON.
func (p *place) value(s registry.Session) []byte {
	text, _ := json.Marshal(p.node.Value(s))
	return text
}

func (h *hashes) settle(err error) {
	h.tallies.settle(err)
	h.index.settle(err)
}

func (h *hashes) refresh(ctx context.Context, pipe redis.Pipeliner, doubt bool) (lost int, err error) {
	var lengths [buckets]*redis.IntCmd
	for i := range lengths {
		key := h.names.sessions(h.node.String(), i)
		pipe.PExpire(ctx, key, h.expiry)
		lengths[i] = pipe.HLen(ctx, key)
	}
	listed := h.index.refresh(ctx, pipe)
	if err := exec(ctx, pipe); err != nil {
		return 0, err
	}
	for _, i := range h.tallies.off(&lengths, doubt) {
		n, err := h.mend(ctx, i)
		if lost += n; err != nil {
			return lost, err
		}
	}
	n, err := h.index.mend(ctx, listed, doubt)
	return lost + n, err
}

// mend compares a hash with the book. What it lacks becomes dirty, and what it has too much goes.
func (h *hashes) mend(ctx context.Context, bucket int) (lost int, err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	key := h.names.sessions(h.node.String(), bucket)
	fields, err := h.client.Redis().HKeys(ctx, key).Result()
	if err != nil {
		return 0, err
	}
	has := make(map[registry.SessionID]struct{}, len(fields))
	var excess []string
	for _, field := range fields {
		id, ok := h.own(field)
		if ok && bucketOf(id) == bucket && h.book.buckets[bucket].known(id) {
			has[id] = struct{}{}
		} else {
			excess = append(excess, field)
		}
	}
	for some := range slices.Chunk(excess, pipelineChanges) {
		if err := h.client.Redis().HDel(ctx, key, some...).Err(); err != nil {
			return 0, err
		}
	}
	h.tallies.mended(bucket, len(has))
	return h.book.buckets[bucket].compare(has), nil
}

// own returns the id of a session of this node by its key.
func (p *place) own(key string) (registry.SessionID, bool) {
	node, text, err := parseKey(key)
	if err != nil || node != p.node {
		return 0, false
	}
	id, err := registry.ParseSessionID(text)
	return id, err == nil
}

func (h *hashes) leave(ctx context.Context, pipe redis.Pipeliner) error {
	for i := range buckets {
		pipe.Unlink(ctx, h.names.sessions(h.node.String(), i))
	}
	h.index.leave(ctx, pipe)
	return exec(ctx, pipe)
}
