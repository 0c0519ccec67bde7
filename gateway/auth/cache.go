package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	shards = 64 // so that loops seldom meet at a lock
	sample = 5  // verdicts that a new one looks at to make room
)

// hash is by what a token is remembered: a collision would be a login, so it is a whole SHA-256.
type hash = [sha256.Size]byte

// cache remembers verdicts until they die. It holds a bounded number: one more takes the place of
// whichever of a few, taken at random, dies first. Each new one also clears away the dead it meets,
// so most of what is there is alive. Any goroutine may use it.
type cache struct {
	bound  int // verdicts in a shard
	shards [shards]shard
}

type shard struct {
	mu       sync.RWMutex
	verdicts map[hash]verdict
	_        [32]byte // fills a cache line, so that shards don't slow each other down
}

func newCache(bound int) *cache {
	c := &cache{bound: bound / shards}
	for i := range c.shards {
		c.shards[i].verdicts = map[hash]verdict{}
	}
	return c
}

// get returns a verdict that is still alive at now.
func (c *cache) get(of *hash, now time.Time) (verdict, bool) {
	s := &c.shards[of[0]%shards]
	s.mu.RLock()
	v, ok := s.verdicts[*of]
	s.mu.RUnlock()
	return v, ok && now.Before(v.until)
}

// put remembers a verdict.
func (c *cache) put(of *hash, v verdict, now time.Time) {
	s := &c.shards[of[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(c.bound, now)
	s.verdicts[*of] = v
}

// makeRoom lets one more verdict in. A map is ranged over from anywhere.
func (s *shard) makeRoom(bound int, now time.Time) {
	var next hash // to die
	var at time.Time
	looked := 0
	for of, v := range s.verdicts {
		if !now.Before(v.until) {
			delete(s.verdicts, of)
		} else if at.IsZero() || v.until.Before(at) {
			next, at = of, v.until
		}
		if looked++; looked == sample {
			break
		}
	}
	if len(s.verdicts) >= bound {
		delete(s.verdicts, next)
	}
}
