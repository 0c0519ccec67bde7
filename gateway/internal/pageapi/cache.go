package pageapi

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	keptFor    = time.Second
	maxKept    = 16 << 20 // bytes of all that is kept
	entryBytes = 512      // of each entry, beside what was read
)

// cache keeps what was read for a second, and has those who ask for the same meanwhile wait for one reading. It knows nothing of who may see it.
// Its methods may be called from any goroutine.
type cache struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[question]*entry
	size    int       // of those that have been read, in bytes
	swept   time.Time // when those that were too old have gone last
}

// question is what was read.
type question struct {
	what, name, after string
	limit             int
	counts            bool
}

// entry is one reading. All but done is set before that is closed, and never changed.
type entry struct {
	done  chan struct{}
	value any
	err   error
	size  int // 0 of one that is not kept
	until time.Time
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, entries: map[question]*entry{}}
}

// get returns what read has made, now or within the last second; nobody may change it. size is what it takes, in bytes. An error is not kept, but told to all
// who wait for it: unless it is that who has it read has left.
func (c *cache) get(ctx context.Context, of question, read func() (value any, size int, err error)) (any, error) {
	for {
		e, mine := c.claim(of)
		if mine {
			c.fill(of, e, read)
			return e.value, e.err
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !errors.Is(e.err, context.Canceled) {
			return e.value, e.err
		}
	}
}

// claim returns the entry of a question. mine says that it is new, and to be filled.
func (c *cache) claim(of question) (e *entry, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[of]; e != nil && (e.until.IsZero() || c.now().Before(e.until)) {
		return e, false
	}
	e = &entry{done: make(chan struct{}), err: context.Canceled} // if read panics
	c.drop(of)
	c.entries[of] = e
	return e, true
}

// fill reads what an entry is for, and keeps it if there is room.
func (c *cache) fill(of question, e *entry, read func() (any, int, error)) {
	size := 0
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sweep()
		if size += entryBytes; e.err != nil || c.size+size > maxKept {
			delete(c.entries, of)
		} else {
			e.size, e.until = size, c.now().Add(keptFor)
			c.size += size
		}
		close(e.done)
	}()
	e.value, size, e.err = read()
}

// sweep forgets what is too old, once a second at most.
func (c *cache) sweep() {
	now := c.now()
	if now.Sub(c.swept) < keptFor {
		return
	}
	c.swept = now
	for of, e := range c.entries {
		if !e.until.IsZero() && !now.Before(e.until) {
			c.drop(of)
		}
	}
}

// drop forgets the answer to a question, if there is one.
func (c *cache) drop(of question) {
	if e := c.entries[of]; e != nil {
		c.size -= e.size
		delete(c.entries, of)
	}
}
