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
