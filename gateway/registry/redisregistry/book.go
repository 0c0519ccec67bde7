package redisregistry

import (
	"slices"
	"strings"
	"sync"

	"github.com/stompgw/stompgw/gateway/registry"
)

// book holds the sessions of this node, and what Redis has still to be told of them.
type book struct {
	buckets [buckets]bucket
}

func (b *book) add(s registry.Session) {
	b.buckets[bucketOf(s.ID)].add(s.ID, newEntry(s))
}

func (b *book) remove(id registry.SessionID) {
	b.buckets[bucketOf(id)].remove(id)
}

// each calls of with each bucket, which nobody else touches meanwhile.
func (b *book) each(of func(k *bucket)) {
	for i := range b.buckets {
		k := &b.buckets[i]
		k.mu.Lock()
		of(k)
		k.mu.Unlock()
	}
}

// count is how many sessions there are, and how many changes Redis has still to be told of.
func (b *book) count() (sessions, waiting int) {
	b.each(func(k *bucket) { sessions, waiting = sessions+k.live, waiting+len(k.dirty) })
	return sessions, waiting
}

// redo makes those of the sessions dirty for which of returns true, of all that Redis was told of, less what is dirty. It returns
// how many. Meanwhile Add and Remove wait for a bucket: of a million sessions that is 16,000 of them, about half a millisecond.
func (b *book) redo(of func(l listing) bool) (marked int) {
	b.each(func(k *bucket) {
		for id, e := range k.entries {
			if k.settled(id, e) && of(listing{e.member, id}) {
				k.mark(id)
				marked++
			}
		}
	})
	return marked
}

// sent returns the sessions that Redis may have, those that have ended only when endedToo.
func (b *book) sent(endedToo bool) (ids []registry.SessionID) {
	b.each(func(k *bucket) {
		for id, e := range k.entries {
			if e.state&sent != 0 && (endedToo || e.state&gone == 0) {
				ids = append(ids, id)
			}
		}
	})
	return ids
}

// spread counts the sessions that each of 64 keys has to have, less what is dirty. A session stands in the one at
// at, if that is 0 or more.
func (b *book) spread(at func(l listing) int) (n [buckets]int) {
	b.redo(func(l listing) bool {
		if i := at(l); i >= 0 {
			n[i]++
		}
		return false
	})
	return n
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
	set(&b.entries, id, e)
	b.mark(id)
}

// set puts value into a map that there may not be yet.
func set[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[key] = value
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
	if len(stale) == 0 {
		delete(b.stale, id)
	} else {
		set(&b.stale, id, stale)
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

func (b *bucket) mark(id registry.SessionID) { set(&b.dirty, id, struct{}{}) }

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

// knows says of a session that stands in Redis, perhaps listed under a member, whether it may, and whether it
// counts among the settled ones.
func (b *bucket) knows(l listing) (rightly, counts bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[l.id]
	if !ok || l.member != "" && l.member != e.member || e.state&gone != 0 {
		return false, false
	}
	return true, b.settled(l.id, e)
}

// change is what Redis has to be told of some sessions of a bucket.
type change struct {
	put    []registry.Session
	drop   []listing
	unlist []listing // to take out of the index, besides what drop names; before what put lists there
}

// listing is a session, and the member under whom the index lists it; empty for none.
type listing struct {
	member string
	id     registry.SessionID
}

// element is a listing as it stands in the index. No member holds a NUL: JSON escapes it.
func (l listing) element() string { return l.member + "\x00" + l.id.String() }

func parseElement(element string) (l listing, err error) {
	member, id, _ := strings.Cut(element, "\x00")
	l.member = member
	l.id, err = registry.ParseSessionID(id)
	return l, err
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
			c.drop = append(c.drop, listing{e.member, id})
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

// settle books what Redis answered to a change, and returns the sessions that Config.Stored has not heard of with
// their member. After a failure all of it is dirty again.
func (b *bucket) settle(c change, ok bool) (news []registry.Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range c.put {
		switch e := b.entries[s.ID]; {
		case !ok:
			b.mark(s.ID)
		case s.Member != "" && e.member == s.Member && e.state&(told|gone) == 0:
			e.state |= told
			b.entries[s.ID] = e
			news = append(news, s)
		}
	}
	for _, l := range c.drop {
		if ok {
			b.dropped(l.id)
		} else {
			b.mark(l.id)
		}
	}
	for _, l := range c.unlist {
		if ok {
			b.setStale(l.id, slices.DeleteFunc(b.stale[l.id], func(m string) bool { return m == l.member }))
		}
	}
	return news
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
