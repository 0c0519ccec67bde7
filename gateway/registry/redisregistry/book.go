package redisregistry

import (
	"net/netip"
	"sync"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

// book holds the sessions of this node, and what Redis has still to be told of them.
type book struct {
	buckets [buckets]bucket
	commons commons
}

// entry is a session as the book keeps it. All that follows from the node's name and the session's
// id is left out, since a gateway may hold a million of them.
type entry struct {
	connected int64 // Unix time in nanoseconds
	remote    netip.AddrPort
	member    string
	common    *common
	state     state
}

// state says what Redis may know of an entry.
type state uint8

const (
	sent   state = 1 << iota // has left for Redis, which may have it or not
	stored                   // Redis has said that it has it
	gone                     // the session has ended, and Redis has to forget it
)

// common is what many sessions share.
type common struct {
	transport, version string
	zone               *time.Location
}

// commons keeps one copy of each common. There are as many as transports times versions, since
// all times of a node are in one zone.
type commons struct {
	mu  sync.Mutex
	all map[common]*common
}

func (c *commons) of(s registry.Session) *common {
	want := common{s.Transport, s.Version, s.ConnectedAt.Location()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have := c.all[want]; have != nil {
		return have
	}
	if c.all == nil {
		c.all = make(map[common]*common)
	}
	have := new(want)
	c.all[want] = have
	return have
}

func (b *book) add(s registry.Session) {
	b.buckets[bucketOf(s.ID)].add(s.ID, entry{
		connected: s.ConnectedAt.UnixNano(),
		remote:    s.Remote,
		member:    s.Member,
		common:    b.commons.of(s),
	})
}

func (b *book) remove(id registry.SessionID) {
	b.buckets[bucketOf(id)].remove(id)
}

// bucket is the part of the book that stands in one hash. Add and remove come from any goroutine;
// everything else is called by the writer alone.
type bucket struct {
	mu      sync.Mutex
	entries map[registry.SessionID]entry
	dirty   map[registry.SessionID]struct{} // ids in entries that Redis has to be told of
	stored  int                             // entries that are stored: the length the hash should have
	unsure  bool                            // a pipeline failed, so the hash may have more or less
}

func (b *bucket) add(id registry.SessionID, e entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.entries == nil {
		b.entries = make(map[registry.SessionID]entry)
	}
	e.state = b.entries[id].state &^ gone
	b.entries[id] = e
	b.mark(id)
}

func (b *bucket) remove(id registry.SessionID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.entries[id]
	switch {
	case !ok:
	case e.state&sent == 0: // Redis never heard of it
		delete(b.entries, id)
		delete(b.dirty, id)
	default:
		b.entries[id] = entry{state: e.state | gone}
		b.mark(id)
	}
}

func (b *bucket) mark(id registry.SessionID) {
	if b.dirty == nil {
		b.dirty = make(map[registry.SessionID]struct{})
	}
	b.dirty[id] = struct{}{}
}

// change is what one hash has to be told: fields to set and fields to delete.
type change struct {
	put  []registry.Session
	drop []registry.SessionID
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
		if e.state&gone != 0 {
			c.drop = append(c.drop, id)
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
		b.unsure = true
		for _, s := range c.put {
			b.mark(s.ID)
		}
		for _, id := range c.drop {
			b.mark(id)
		}
		return
	}
	for _, s := range c.put {
		e := b.entries[s.ID]
		if e.state&stored == 0 {
			b.stored++
		}
		e.state |= stored
		b.entries[s.ID] = e
	}
	for _, id := range c.drop {
		b.forget(id)
	}
	if len(b.dirty) == 0 {
		b.unsure = false
	}
}

// forget books that Redis has deleted the field of id.
func (b *bucket) forget(id registry.SessionID) {
	e := b.entries[id]
	if e.state&stored != 0 {
		b.stored--
	}
	if e.state&gone != 0 {
		delete(b.entries, id)
		delete(b.dirty, id)
		return
	}
	e.state &^= sent | stored // added again meanwhile, and dirty
	b.entries[id] = e
}

// holds reports whether a hash of the given length is what Redis confirmed. While a failed
// pipeline has not been repeated it can't be told, and the next heartbeat asks again.
func (b *bucket) holds(length int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unsure || length == b.stored
}

// restart books that the hash is no more: every session of the bucket has to be written again.
func (b *bucket) restart() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stored = 0
	for id, e := range b.entries {
		if e.state&gone != 0 {
			delete(b.entries, id)
			delete(b.dirty, id)
			continue
		}
		e.state = 0
		b.entries[id] = e
		b.mark(id)
	}
}

func (e entry) session(id registry.SessionID) registry.Session {
	return registry.Session{
		ID:          id,
		ConnectedAt: time.Unix(0, e.connected).In(e.common.zone),
		Member:      e.member,
		Transport:   e.common.transport,
		Remote:      e.remote,
		Version:     e.common.version,
	}
}
