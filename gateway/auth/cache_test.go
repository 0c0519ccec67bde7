package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"
)

// nth is the hash of the nth token of a test.
func nth(n int) *hash {
	of := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return &of
}

func (c *cache) len() (n int) {
	for i := range c.shards {
		n += len(c.shards[i].verdicts)
	}
	return n
}

func TestCacheForgets(t *testing.T) {
	c := newCache(1000)
	id := &Identity{}
	c.put(nth(1), verdict{id: id, until: noon()}, noon().Add(-time.Minute))
	if v, ok := c.get(nth(1), noon().Add(-1)); !ok || v.id != id {
		t.Errorf("before it dies: %+v, %v", v, ok)
	}
	if _, ok := c.get(nth(1), noon()); ok {
		t.Error("it outlives its time")
	}
	if _, ok := c.get(nth(2), noon().Add(-1)); ok {
		t.Error("it knows what it was not told")
	}
}

// TestCacheBound holds that a cache is full at its bound and not beyond, and that what dies last
// stays when there are others.
func TestCacheBound(t *testing.T) {
	const bound = 50 * shards
	c := newCache(bound)
	long := noon().Add(time.Hour)
	for n := range bound / 10 {
		c.put(nth(n), verdict{until: long}, noon())
	}
	for n := bound; n < 20*bound; n++ {
		c.put(nth(n), verdict{until: noon().Add(time.Minute)}, noon())
		if c.len() > bound {
			t.Fatalf("%d verdicts, more than %d", c.len(), bound)
		}
	}
	if c.len() != bound {
		t.Errorf("%d verdicts, want %d", c.len(), bound)
	}
	kept := 0
	for n := range bound / 10 {
		if _, ok := c.get(nth(n), noon()); ok {
			kept++
		}
	}
	if kept < bound/10*9/10 {
		t.Errorf("of %d that die last, %d are left", bound/10, kept)
	}
	if _, ok := c.get(nth(20*bound-1), noon()); !ok {
		t.Error("the newest is not there")
	}
}

// TestCacheClears holds that the dead don't stay, though nobody asks for them.
func TestCacheClears(t *testing.T) {
	const bound = 1000 * shards
	c := newCache(bound)
	now := noon()
	for n := range bound {
		now = now.Add(time.Second)
		c.put(nth(n), verdict{until: now.Add(100 * time.Second)}, now)
	}
	if n := c.len(); n > 400 {
		t.Errorf("%d verdicts, of which 100 are alive", n)
	}
}

func TestCacheConcurrent(t *testing.T) {
	c := newCache(2 * shards)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				of := nth((n + worker*100) % 500)
				fault := &Error{Reason: fmt.Sprint(*of)}
				c.put(of, verdict{fault: fault, until: noon().Add(time.Duration(n))}, noon())
				if v, ok := c.get(of, noon()); ok && v.fault.Reason != fault.Reason {
					t.Error("the verdict is another's")
				}
			}
		})
	}
	wg.Wait()
}
