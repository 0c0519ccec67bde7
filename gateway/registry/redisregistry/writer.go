package redisregistry

import (
	"context"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	linger          = time.Millisecond // how long a change waits for others to share its pipeline
	pipelineChanges = 500              // in one pipeline, at most
	retryPause      = time.Second      // before Redis is asked again that did not answer
)

// Tests have more patience.
var (
	exchangeTimeout = 2 * time.Second  // for one pipeline and its answers
	leaveTimeout    = 10 * time.Second // to take this node's sessions out of Redis at the end, while it answers
)

// Run writes changes and heartbeats until ctx ends, then removes what it wrote from Redis and returns nil.
// That takes at most two seconds if Redis does not answer, and ten if it does. It is called once, and is
// the only goroutine that writes: a heartbeat never overtakes a change, so the lengths it compares are
// those that Redis confirmed.
func (r *Registry) Run(ctx context.Context) error {
	defer r.leave(context.WithoutCancel(ctx))
	defer close(r.ended)
	heartbeat := time.NewTimer(0)
	defer heartbeat.Stop()
	for more := false; ; {
		var err error
		next := time.Duration(-1) // until the next heartbeat; below 0 as it is
		select {
		case <-ctx.Done():
			return nil
		case <-heartbeat.C:
			began := time.Now()
			err = r.beat(ctx)
			next = max(0, r.cfg.Heartbeat-time.Since(began)) // expiries count from its beginning
		case told := <-r.refresh:
			told <- r.tellBlocks(ctx, true)
			continue // whether Redis is away, heartbeats and changes find out
		case <-r.changes():
			if !more {
				select {
				case <-ctx.Done():
				case <-time.After(linger):
				}
			}
			more, err = r.write(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if r.report(err); err != nil {
			next = min(retryPause, r.cfg.Heartbeat)
		} else if more {
			signal(r.wake)
		}
		if next >= 0 {
			heartbeat.Reset(next)
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

// write sends one pipeline of changes. more says that there are others.
func (r *Registry) write(ctx context.Context) (more bool, err error) {
	changes, left := r.take()
	if left == pipelineChanges {
		return false, nil
	}
	pipe := r.client.Redis().Pipeline()
	r.layout.queue(ctx, pipe, changes)
	err = exec(ctx, pipe)
	r.layout.settle(err)
	for i := range changes {
		r.settle(&r.book.buckets[i], changes[i], err)
	}
	return left == 0, err
}

// take takes up to a pipeline of changes out of the book, each time from another bucket on, so that a
// storm of changes holds up no bucket for good. left is how many more the pipeline could have had.
func (r *Registry) take() (changes *[buckets]change, left int) {
	changes, left = new([buckets]change), pipelineChanges
	for n := range buckets {
		i := (r.next + n) % buckets
		changes[i] = r.book.buckets[i].take(left)
		if left -= changes[i].len(); left == 0 {
			r.next = (i + 1) % buckets
			break
		}
	}
	return changes, left
}

func (r *Registry) settle(b *bucket, c change, err error) {
	if c.len() == 0 {
		return
	}
	for _, s := range b.settle(c, err == nil) {
		if r.cfg.Stored != nil {
			r.cfg.Stored(s)
		}
	}
	for _, s := range c.put {
		if err != nil {
			r.late[0] = append(r.late[0], s.ID)
		}
	}
}

// redoLate writes sessions again, two heartbeats after a pipeline with them failed: Redis may have
// carried that out long after, and after its repetition, when it had stood still. There are 500 of
// them for each time that Redis was away, since no more is written to a Redis that does not answer.
func (r *Registry) redoLate() {
	for _, id := range r.late[1] {
		r.book.buckets[bucketOf(id)].redo(id)
	}
	r.late = [2][]registry.SessionID{nil, r.late[0]}
}

// leave takes this node and its sessions out of Redis. It ends with the first pipeline that is not
// answered. What it can't take expires.
func (r *Registry) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	node := r.node.String()
	pipe := r.client.Redis().Pipeline()
	pipe.Del(ctx, r.names.alive(node))
	pipe.SRem(ctx, r.names.nodes(), node)
	if err := r.layout.leave(ctx, pipe); err != nil {
		r.log.Warn("this node's sessions stay in redis until they expire", "expiry", r.cfg.Expiry.String(), "err", err)
	}
}
