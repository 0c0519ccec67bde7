package auth

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	askEvery = 10 * time.Second // what a list said of a token counts that long
	askFor   = time.Second      // a list has that long to answer
	askPause = time.Second      // a list that didn't is left alone that long
)

// revocations asks a list of revoked tokens, seldom. A list that is away revokes nothing and takes
// nothing back: what it said last stands, and a token of which it never spoke is good. Any goroutine
// may use it.
type revocations struct {
	list Revocations // nil for none
	now  func() time.Time
	born time.Time // what times are counted from, in nanoseconds: the machine's clock may be set

	asking singleflight.Group // by token
	retry  atomic.Int64       // when a list that is away is asked again; 0 while it answers
	away   atomic.Uint64      // times that what the list said last stood
}

// answer is what the list said: whether a token is revoked, if known, and until when that counts.
type answer struct {
	known, revoked bool
	stale          int64
}

func (r *revocations) count(t time.Time) int64 { return max(int64(t.Sub(r.born)), 1) }

// fresh reports whether what the list said of a token still counts at now.
func (r *revocations) fresh(s *standing, now time.Time) bool {
	return r.list == nil || r.count(now) < s.stale.Load()
}

// look asks the list about id, unless it has been asked lately. The error is that of ctx.
func (r *revocations) look(ctx context.Context, id *Identity) error {
	now := r.now()
	if r.fresh(id.standing, now) {
		return nil
	}
	if !r.mayAsk(now) {
		r.stand(id.standing, answer{stale: r.count(now.Add(askPause))})
		return nil
	}
	// The question outlives who has it asked, since others wait for the same answer. It ends soon.
	asked := r.asking.DoChan(id.token, func() (any, error) { return r.ask(id), nil })
	select {
	case result := <-asked:
		r.stand(id.standing, result.Val.(answer))
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mayAsk reports whether the list can be asked at now. Of those who find that a list which was away
// is due again, one may; the others don't wait for it.
func (r *revocations) mayAsk(now time.Time) bool {
	at := r.retry.Load()
	return at == 0 || at <= r.count(now) && r.retry.CompareAndSwap(at, r.count(now.Add(askFor+askPause)))
}

// ask asks the list about a token, and its twin.
func (r *revocations) ask(id *Identity) answer {
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	revoked, err := r.list.Revoked(ctx, id.token)
	if err == nil && !revoked && id.twin != "" {
		revoked, err = r.list.Revoked(ctx, id.twin)
	}
	now := r.now()
	if err != nil {
		again := r.count(now.Add(askPause))
		r.retry.Store(again)
		return answer{stale: again}
	}
	r.retry.Store(0)
	return answer{known: true, revoked: revoked, stale: r.count(now.Add(askEvery))}
}

// stand writes down what the list said.
func (r *revocations) stand(s *standing, a answer) {
	if a.known {
		s.revoked.Store(a.revoked)
	} else {
		r.away.Add(1)
	}
	s.stale.Store(a.stale)
}
