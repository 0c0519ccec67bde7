package natsbus

import (
	"sync"
	"time"
)

// An envelope to a destination with history is published with a reply subject, on which the stream says that it
// has stored it. A PONG says less: a server takes more than a stream can store, and drops the rest without a
// word to those who did not ask. Whoever subscribes to the destination's subject sees the reply subject and may
// answer too, so an answer counts only if it names the stream.

// replyTail is the most bytes of a reply subject behind its node: what makes it one of its connection, and the
// number.
const replyTail = len(".") + 22 + len(".") + 13 + len(" ")

// acks are the envelopes that the stream has yet to answer. They are in the outbox's count until then.
type acks struct {
	mu      sync.Mutex
	last    uint64 // the number of the latest; they begin at 1
	waiting map[uint64]pending
}

type pending struct {
	item  item
	since time.Time
}

// take returns the one with that number to whoever is to tell its outcome; ok is false if somebody else did.
func (a *acks) take(number uint64) (it item, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.waiting[number]
	delete(a.waiting, number)
	return p.item, ok
}

// latest is the number of the latest.
func (a *acks) latest() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// takeOlder returns those up to a number that wait for longer than d.
func (a *acks) takeOlder(d time.Duration, upTo uint64) (old []item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for number, p := range a.waiting {
		if number <= upTo && time.Since(p.since) >= d {
			old = append(old, p.item)
			delete(a.waiting, number)
		}
	}
	return old
}

// late reports whether one waits for longer than d.
func (a *acks) late(d time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.waiting {
		if time.Since(p.since) >= d {
			return true
		}
	}
	return false
}
