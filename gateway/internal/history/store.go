package history

import (
	"container/list"
	"hash/maphash"
	"sync"
	"time"
)

const (
	// ways is how many destinations can have something appended at a time.
	ways = 64

	// ringSize is what a ring takes beside its messages and its name, logSize each of its logs, and entrySize a message beside what it
	// says itself, in bytes.
	ringSize, logSize, entrySize = 384, 80, 64

	// idleFor is how many times as long as its messages a ring without any is worth keeping: it knows what has gone. Who is in
	// need of memory takes what has been worth it for the longest time.
	idleFor = 10

	// pinnedFor is when a ring is looked at again whose oldest message has to go, but which somebody is about to read.
	pinnedFor = time.Second

	// Doubt is how far the clocks of nodes and brokers may differ.
	Doubt = time.Minute
)

// Message is what is kept.
type Message interface {
	Number() uint64 // grows within a destination, but not for what is Past
	Size() int      // of the memory that it takes, in bytes
}

// Limits are what the rule of a destination lets be kept of it.
type Limits struct {
	Size int           // messages
	TTL  time.Duration // of each
}

// Figures are what a store has done, and holds.
type Figures struct {
	Rings, Messages, Bytes int
	Evicted                uint64 // messages that had to go, as all together took too many bytes
}

// Store is the memory of a node. Any goroutine may call its methods, those of a Cursor too, one at a time for each Cursor.
type Store[M Message] struct {
	seed  maphash.Seed
	order [ways]sync.Mutex // see Append; mu is locked within, never the other way

	mu        sync.Mutex
	limit     int // bytes
	rings     map[string]*ring[M]
	due       queue[M]              // rings with messages, by when the oldest one has to go
	idle      list.List             // of those without, the *ring[M] that has been so for the longest time first
	over      map[*ring[M]]struct{} // rings with more than their rules keep, as somebody has yet to read it
	forgotten []last                // of rings that had to go themselves
	born      int64                 // what the next ring numbers its first message; no ring has come as far
	figures   Figures
}

// queue is a heap of rings.
type queue[M Message] []*ring[M]
