package session

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/gateway/policy"
)

// Ledger is what limits count beyond one session: what the node takes in. The zero value is ready. The loops of a node share it.
type Ledger struct {
	mu   sync.Mutex             // for setting node
	node atomic.Pointer[bucket] // never changed: replaced; nil until it is asked for
}

// intake returns the bucket of all SENDs of the node.
func (l *Ledger) intake(q *policy.Quota, now time.Time) bucket {
	if b := l.node.Load(); b != nil && b.quota == q {
		return *b
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var b bucket
	if had := l.node.Load(); had == nil {
		b = newBucket(q)
	} else {
		b = *had
		b.follow(q, now)
	}
	l.node.Store(&b)
	return b
}
