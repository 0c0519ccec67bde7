package session

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/stompgw/stompgw/gateway/policy"
)

// Before the embedder's code or a rule looks at a SEND it counts for its session, and then for the node, whatever becomes of it.
// Where it may be published it counts for the channel that its message goes to.

// bucket is how much of a Quota is left. It fills with time.
type bucket struct {
	quota *policy.Quota
	*rate.Limiter
}

func newBucket(q *policy.Quota) bucket {
	return bucket{q, rate.NewLimiter(rate.Limit(q.Rate.PerSecond()), q.Burst)}
}

// follow has the bucket go on, with what is left in it, by a Quota of the same name in other rules.
func (b *bucket) follow(q *policy.Quota, now time.Time) {
	if b.quota.Limit != q.Limit {
		b.SetLimitAt(now, rate.Limit(q.Rate.PerSecond()))
		b.SetBurstAt(now, q.Burst)
	}
	b.quota = q
}

// isFull reports whether the bucket is as good as none.
func (b bucket) isFull(now time.Time) bool { return b.TokensAt(now) >= float64(b.Burst()) }

// take takes one SEND out of the bucket and returns 0. If it is empty it returns when there will be one, in milliseconds as
// clients are told. Nothing is reserved: where many sessions share a bucket, what they give back would be lost.
func (b bucket) take(now time.Time) (wait time.Duration) {
	if b.AllowN(now, 1) {
		return 0
	}
	lacks := 1 - b.TokensAt(now)
	wait = time.Duration(lacks / float64(b.Limit()) * float64(time.Second))
	return (max(wait, 1) + time.Millisecond - 1).Truncate(time.Millisecond)
}

// buckets are those of one session, or of a member who has left: of the Quotas that were used. What is missing is full.
type buckets []bucket

// of returns the bucket of a Quota, made if need be.
func (bs *buckets) of(q *policy.Quota, now time.Time) bucket {
	for i := range *bs {
		b := &(*bs)[i]
		if b.quota == q {
			return *b
		}
		if b.quota.Name == q.Name {
			b.follow(q, now)
			return *b
		}
	}
	*bs = append(*bs, newBucket(q))
	return (*bs)[len(*bs)-1]
}

// drop forgets those that are full.
func (bs *buckets) drop(now time.Time) {
	if *bs = slices.DeleteFunc(*bs, func(b bucket) bool { return b.isFull(now) }); len(*bs) == 0 {
		*bs = nil
	}
}

// merge has, of two buckets of one name, the one count that has less left.
func (bs *buckets) merge(others buckets, now time.Time) {
	for _, other := range others {
		i := slices.IndexFunc(*bs, func(b bucket) bool { return b.quota.Name == other.quota.Name })
		switch {
		case i < 0:
			*bs = append(*bs, other)
		case other.TokensAt(now) < (*bs)[i].TokensAt(now):
			(*bs)[i] = other
		}
	}
}

// dropBuckets forgets what is full again.
func (s *Session) dropBuckets() {
	if s.work != nil && s.work.buckets != nil {
		s.work.buckets.drop(s.host.Now())
	}
}

// count holds a SEND against what its session, and all of the node together, may send.
func (s *Session) count(p *passage) {
	if p.Frame.Command != "SEND" {
		return
	}
	if q := s.host.Rules.PerSession(); q != nil && s.isOver(p, q) {
		return
	}
	if q := s.host.Rules.PerNode(); q != nil {
		s.isOver(p, q)
	}
}

// isOver reports whether a SEND is over a Quota, and if so does what becomes of it.
func (s *Session) isOver(p *passage, q *policy.Quota) bool {
	if q.Rate == (policy.Rate{}) {
		return false
	}
	now := s.host.Now()
	var b bucket
	if q.Scope == policy.OfNode {
		b = s.host.Ledger.intake(q, now)
	} else {
		b = s.busy().buckets.of(q, now)
	}
	wait := b.take(now)
	if wait > 0 {
		s.exceed(p, q, wait)
	}
	return wait > 0
}

// exceed does what becomes of a SEND that is over a Quota, and would pass after some time. Where its client awaits an answer, of
// it or of its COMMIT, nothing is dropped: the answer would say that it was carried out.
func (s *Session) exceed(p *passage, q *policy.Quota, wait time.Duration) {
	p.next = done
	p.origin = originOf(&p.Frame)
	p.tx, _ = s.transactionOf(&p.Frame) // its fault matters no more
	r := q.Exceeded(wait)
	s.host.Stats.Exceeded[q.Scope].Add(1)
	switch {
	case q.Over == policy.OverClose:
		s.tooFast(p, r)
	case q.Over == policy.OverDrop && p.origin.receipt == "" && p.tx == nil:
		s.host.Stats.Dropped.Add(1)
		s.host.Log.Debug("dropped", "", refused{s, p.origin, r})
	default:
		if q.Scope == policy.OfNode {
			s.host.Lines.full.Log(s.host.Log, slog.LevelWarn, "refused what clients send: it is more than limits.node lets the node take in", "limit", q.String())
		}
		p.tx.fail()
		s.refuse(p.origin, r)
	}
}

// tooFast ends the session of a client that sends more than it may.
func (s *Session) tooFast(p *passage, r *policy.Refusal) {
	s.host.Stats.refused(r.Code)
	s.logRefusal(p.origin, r)
	s.host.Lines.fast.Log(s.host.Log, slog.LevelInfo, "closed a session that sends too fast", "session", s, "reason", r.Reason)
	s.endWith(errorFrame{receipt: p.origin.receipt, code: r.Code, retryAfter: r.RetryAfter, summary: r.Message,
		detail: fmt.Sprintf("Code %d. What was published before this message stays; this one is not.", r.Code)}, ClosePolicy, r.Word)
}
