package redisregistry

import (
	"context"
	"encoding/json"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	linger          = time.Millisecond // how long a change waits for others to share its pipeline
	pipelineChanges = 500              // in one pipeline, at most
	exchangeTimeout = 2 * time.Second  // for one pipeline and its answers
	retryPause      = time.Second      // before Redis is asked again that did not answer
	leaveTimeout    = 2 * time.Second  // to take this node's sessions out of Redis at the end
)

// Run writes changes and heartbeats until ctx ends, then takes what it wrote out of Redis, for two
// seconds at most, and returns nil. It is called once, and is the only goroutine that writes: a
// heartbeat never overtakes a change, so the lengths it compares are those that Redis confirmed.
func (r *Registry) Run(ctx context.Context) error {
	defer r.leave(context.WithoutCancel(ctx))
	heartbeat := time.NewTimer(0)
	defer heartbeat.Stop()
	for more := false; ; {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-heartbeat.C:
			err = r.beat(ctx)
			heartbeat.Reset(r.cfg.Heartbeat)
		case <-r.changes():
			if !more {
				pause(ctx, linger)
			}
			more, err = r.write(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if r.report(err); err != nil {
			heartbeat.Reset(min(retryPause, r.cfg.Heartbeat))
		} else if more {
			r.wakeWriter()
		}
	}
}

// changes is the wake channel while Redis answers. When it does not, heartbeats alone go on asking.
func (r *Registry) changes() <-chan struct{} {
	if r.Healthy() != nil {
		return nil
	}
	return r.wake
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// write sends one pipeline of changes. more says that there are others.
func (r *Registry) write(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	pipe := r.client.Pipeline()
	var changes [buckets]change
	left := pipelineChanges
	for i := range changes {
		changes[i] = r.book.buckets[i].take(left)
		left -= changes[i].len()
		r.queue(ctx, pipe, i, changes[i])
	}
	if left == pipelineChanges {
		return false, nil
	}
	_, err = pipe.Exec(ctx)
	for i, c := range changes {
		if c.len() > 0 {
			r.book.buckets[i].settle(c, err == nil)
		}
	}
	return left == 0, err
}

// queue appends the commands of a change. Each HSET brings its own PEXPIRE, since it may create
// the hash: a node that dies before its next heartbeat must leave nothing that never expires.
func (r *Registry) queue(ctx context.Context, pipe redis.Pipeliner, bucket int, c change) {
	key := r.keys.sessions(r.node.String(), bucket)
	if len(c.put) > 0 {
		pairs := make([]any, 0, 2*len(c.put))
		for _, s := range c.put {
			pairs = append(pairs, r.node.Key(s.ID), r.value(s))
		}
		pipe.HSet(ctx, key, pairs...)
		pipe.PExpire(ctx, key, r.cfg.Expiry)
	}
	if len(c.drop) > 0 {
		fields := make([]string, 0, len(c.drop))
		for _, id := range c.drop {
			fields = append(fields, r.node.Key(id))
		}
		pipe.HDel(ctx, key, fields...)
	}
}

func (r *Registry) value(s registry.Session) []byte {
	text, err := json.Marshal(r.node.Value(s))
	if err != nil { // only a Member that is no JSON can do that
		s.Member = ""
		text, _ = json.Marshal(r.node.Value(s))
		r.log.Error("session's member is not JSON; published as null", "session", s.ID.String(), "err", err)
	}
	return text
}

// beat says that the node lives, moves all expiries, and looks for hashes that lost something:
// Redis was emptied, or failed over to a replica that missed the last writes. A lost hash is
// dropped here and its sessions become dirty; write does the rest.
func (r *Registry) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	node := r.node.String()
	pipe := r.client.Pipeline()
	pipe.Set(ctx, r.keys.alive(node), 1, r.cfg.Expiry)
	pipe.SAdd(ctx, r.keys.nodes(), node)
	var lengths [buckets]*redis.IntCmd
	for i := range lengths {
		key := r.keys.sessions(node, i)
		pipe.PExpire(ctx, key, r.cfg.Expiry)
		lengths[i] = pipe.HLen(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	var lost []int
	for i, length := range lengths {
		if !r.book.buckets[i].holds(int(length.Val())) {
			lost = append(lost, i)
		}
	}
	r.wakeWriter() // for what came in while Redis was away
	return r.restart(ctx, lost)
}

func (r *Registry) restart(ctx context.Context, lost []int) error {
	if len(lost) == 0 {
		return nil
	}
	r.log.Warn("redis lost sessions of this node; writing them again", "hashes", len(lost), "of", buckets)
	pipe := r.client.Pipeline()
	for _, i := range lost {
		pipe.Unlink(ctx, r.keys.sessions(r.node.String(), i))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for _, i := range lost {
		r.book.buckets[i].restart()
	}
	return nil
}

// leave takes this node and its sessions out of Redis. What it can't take expires.
func (r *Registry) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	node := r.node.String()
	pipe := r.client.Pipeline()
	pipe.Del(ctx, r.keys.alive(node))
	pipe.SRem(ctx, r.keys.nodes(), node)
	for i := range buckets {
		pipe.Unlink(ctx, r.keys.sessions(node, i))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		r.log.Warn("this node's sessions stay in redis until they expire", "expiry", r.cfg.Expiry.String(), "err", err)
	}
}
