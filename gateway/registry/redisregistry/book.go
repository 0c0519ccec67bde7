package redisregistry

import (
	"slices"
	"sync"

	"github.com/stompgw/stompgw/gateway/registry"
)

// book holds the sessions of this node, and what Redis has still to be told of them.
type book struct {
	buckets [buckets]bucket
	commons commons
}

func (b *book) add(s registry.Session) {
	b.buckets[bucketOf(s.ID)].add(s.ID, newEntry(s, b.commons.of(s)))
}

func (b *book) remove(id registry.SessionID) {
	b.buckets[bucketOf(id)].remove(id)
}

// count is how many sessions there are, and how many changes Redis has still to be told of.
func (b *book) count() (sessions, waiting int) {
	for i := range b.buckets {
		k := &b.buckets[i]
		k.mu.Lock()
		sessions, waiting = sessions+k.live, waiting+len(k.dirty)
		k.mu.Unlock()
	}
	return sessions, waiting
}

// eachSettled is that of all buckets, one after the other.
func (b *book) eachSettled(of func(id registry.SessionID, e entry) bool) (marked int) {
	for i := range b.buckets {
		marked += b.buckets[i].eachSettled(of)
	}
	return marked
}

// restart makes every session of the book dirty.
func (b *book) restart() {
	b.eachSettled(func(registry.SessionID, entry) bool { return true })
}

// listed counts the sessions that the index has to have, shard by shard: those of members, less what
// is dirty.
func (b *book) listed() (n [buckets]int) {
	b.eachSettled(func(_ registry.SessionID, e entry) bool {
		if e.member != "" {
			n[shardOf(e.member)]++
		}
		return false
	})
	return n
}

// relist makes the sessions of some shards dirty, and returns how many were not.
func (b *book) relist(shards map[int]bool) int {
	return b.eachSettled(func(_ registry.SessionID, e entry) bool { return e.member != "" && shards[shardOf(e.member)] })
}

// bucket is the part of the book that stands in one hash. Add and remove come from any goroutine;
// everything else is called by the writer alone.
type bucket struct {
	mu      sync.Mutex
	entries map[registry.SessionID]entry
	dirty   map[registry.SessionID]struct{} // ids in entries that Redis has to be told of
	live    int                             // entries that are not gone

	// stale holds members under which the index may still list an entry, besides its own. It is there
	// for the moment between another login and its way to Redis.
	stale map[registry.SessionID][]string
}

func (b *bucket) add(id registry.SessionID, e entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.entries == nil {
		b.entries = make(map[registry.SessionID]entry)
	}
	was, ok := b.entries[id]
	if !ok || was.state&gone != 0 {
		b.live++
	}
	e.state |= was.state & sent
	if was.member == e.member {
		e.state |= was.state & told
	} else {
		b.outdate(id, was, e.member)
	}
	b.entries[id] = e
	b.mark(id)
}

// outdate notes that an entry has another member now.
func (b *bucket) outdate(id registry.SessionID, was entry, member string) {
	stale := slices.DeleteFunc(b.stale[id], func(m string) bool { return m == member || m == was.member })
	if was.member != "" && was.state&sent != 0 {
		stale = append(stale, was.member)
	}
	b.setStale(id, stale)
}

func (b *bucket) setStale(id registry.SessionID, stale []string) {
	switch {
	case len(stale) == 0:
		delete(b.stale, id)
	case b.stale == nil:
		b.stale = make(map[registry.SessionID][]string)
		fallthrough
	default:
		b.stale[id] = stale
	}
}

func (b *bucket) remove(id registry.SessionID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[id]
	if !ok || e.state&gone != 0 {
		return
	}
	b.live--
	if e.state&sent == 0 { // Redis never heard of it
		b.forget(id)
		return
	}
	b.entries[id] = entry{member: e.member, state: sent | gone}
	b.mark(id)
}

func (b *bucket) forget(id registry.SessionID) {
	delete(b.entries, id)
	delete(b.dirty, id)
	delete(b.stale, id)
}

func (b *bucket) mark(id registry.SessionID) {
	if b.dirty == nil {
		b.dirty = make(map[registry.SessionID]struct{})
	}
	b.dirty[id] = struct{}{}
}

// eachSettled calls of with each session that Redis was told of, less what is dirty. Those for which
// it returns true become dirty, and are counted. Meanwhile Add and Remove wait: for a bucket of a
// million sessions, that is, 16,000 of them, about half a millisecond.
func (b *bucket) eachSettled(of func(id registry.SessionID, e entry) bool) (marked int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, e := range b.entries {
		if b.settled(id, e) && of(id, e) {
			b.mark(id)
			marked++
		}
	}
	return marked
}

func (b *bucket) settled(id registry.SessionID, e entry) bool {
	_, dirty := b.dirty[id]
	return !dirty && e.state&(sent|gone) == sent
}

// redo makes a session dirty that Redis was told of, and reports whether it was not before.
func (b *bucket) redo(id registry.SessionID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[id]
	if !ok || !b.settled(id, e) {
		return false
	}
	b.mark(id)
	return true
}

// sent returns the sessions that Redis may have, those that have ended only when endedToo.
func (b *bucket) sent(endedToo bool) []registry.SessionID {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := make([]registry.SessionID, 0, b.live)
	for id, e := range b.entries {
		if e.state&sent != 0 && (endedToo || e.state&gone == 0) {
			ids = append(ids, id)
		}
	}
	return ids
}

// known reports whether Redis may rightly have a session: because it lives, or because it ended and
// is to be deleted anyway.
func (b *bucket) known(id registry.SessionID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.entries[id].state&sent != 0
}

// knows says of a session that the index lists under a member whether it may, and whether it counts
// among the listed of the book.
func (b *bucket) knows(id registry.SessionID, member string) (rightly, counts bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[id]
	if !ok || e.member != member || e.state&gone != 0 {
		return false, false
	}
	return true, b.settled(id, e)
}

// change is what Redis has to be told of some sessions of a bucket.
type change struct {
	put    []registry.Session
	drop   []registry.SessionID
	unlist []listing // to take out of the index; before what put lists there
}

// listing is a session in the index.
type listing struct {
	member string
	id     registry.SessionID
}

func (c *change) len() int { return len(c.put) + len(c.drop) }

// take removes up to limit ids from what is dirty. The writer has to settle what it took.
func (b *bucket) take(limit int) (c change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.dirty {
		if c.len() == limit {
			return c
		}
		e := b.entries[id]
		for _, member := range b.stale[id] {
			c.unlist = append(c.unlist, listing{member, id})
		}
		if e.state&gone != 0 {
			c.drop = append(c.drop, id)
			if e.member != "" {
				c.unlist = append(c.unlist, listing{e.member, id})
			}
		} else {
			c.put = append(c.put, e.session(id))
		}
		e.state |= sent
		b.entries[id] = e
		delete(b.dirty, id)
	}
	b.dirty = nil // a map never gives memory back, and a burst may have made it large
	return c
}

// settle books what Redis answered to a change; after a failure all of it is dirty again.
func (b *bucket) settle(c change, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !ok {
		for _, s := range c.put {
			b.mark(s.ID)
		}
		for _, id := range c.drop {
			b.mark(id)
		}
		return
	}
	for _, l := range c.unlist {
		b.setStale(l.id, slices.DeleteFunc(b.stale[l.id], func(m string) bool { return m == l.member }))
	}
	for _, id := range c.drop {
		b.dropped(id)
	}
}

// dropped books that Redis has no session id any more.
func (b *bucket) dropped(id registry.SessionID) {
	e := b.entries[id]
	if e.state&gone != 0 {
		b.forget(id)
		return
	}
	e.state &^= sent // added again meanwhile, and dirty
	b.entries[id] = e
}

// news returns the sessions of a settled change that Config.Stored has not heard of with their
// member, and notes that it has.
func (b *bucket) news(c change) (news []registry.Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range c.put {
		e := b.entries[s.ID]
		if s.Member != "" && e.member == s.Member && e.state&(told|gone) == 0 {
			e.state |= told
			b.entries[s.ID] = e
			news = append(news, s)
		}
	}
	return news
}

// compare makes the sessions dirty that Redis has lost of a bucket, given what it has, and returns
// how many were not.
func (b *bucket) compare(has map[registry.SessionID]struct{}) (lost int) {
	return b.eachSettled(func(id registry.SessionID, _ entry) bool {
		_, ok := has[id]
		return !ok
	})
}
