package session

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

// Ledger is what limits count beyond one session: what the node takes in, and what members may not send yet who have left, so
// that a reconnect gives nobody more. The loops of a node share it.
type Ledger struct {
	mu   sync.Mutex             // for setting node
	node atomic.Pointer[bucket] // never changed: replaced; nil until it is asked for

	// left is what members have left behind, by their ids. Two that fall into one place take turns in it: what was there is
	// forgotten.
	left [leftPlaces]atomic.Pointer[leaver]
	seed maphash.Seed
}

// NewLedger returns one that holds nothing against anybody.
func NewLedger() *Ledger { return &Ledger{seed: maphash.MakeSeed()} }

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

const (
	leftPlaces = 1 << 12 // members who have left
	leftMost   = 16      // buckets of one
)

// leaver is a member who has left. Whoever takes it out of its place owns it.
type leaver struct {
	who *auth.Identity
	buckets
}

func (l *Ledger) place(who *auth.Identity) *atomic.Pointer[leaver] {
	return &l.left[maphash.String(l.seed, who.Member)%leftPlaces]
}

// leave keeps the buckets of a session that has ended, if its member comes back.
func (l *Ledger) leave(who *auth.Identity, bs buckets, now time.Time) {
	if bs.drop(now); len(bs) == 0 {
		return
	}
	bs.merge(l.comeBack(who), now)
	l.place(who).Store(&leaver{who, bs[:min(len(bs), leftMost)]})
}

// comeBack returns what the member has left behind whose session another one goes on from. It is forgotten then.
func (l *Ledger) comeBack(who *auth.Identity) buckets {
	at := l.place(who)
	if was := at.Load(); was != nil && was.who.Same(who) && at.CompareAndSwap(was, nil) {
		return was.buckets
	}
	return nil
}

// leaveBuckets keeps what the session's member may not send yet, if he comes back.
func (s *Session) leaveBuckets() {
	if s.login != nil && s.work != nil {
		s.host.Ledger.leave(s.login.who, s.work.buckets, s.host.Now())
	}
}

// takeBuckets has the session, whose member is known now, go on with what he may not send yet.
func (s *Session) takeBuckets(now time.Time) {
	if bs := s.host.Ledger.comeBack(s.login.who); len(bs) > 0 {
		s.busy().buckets.merge(bs, now)
	}
}
