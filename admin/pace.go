package admin

import (
	"context"
	"time"
)

// pace spreads what is done over time. Its zero value does not.
type pace struct {
	rate float64   // a second
	next time.Time // when there may be more
}

// wait returns when n more may be done, or ctx has ended. Time in which nothing was asked for is not
// made up for.
func (p *pace) wait(ctx context.Context, n int) error {
	if p.rate == 0 {
		return ctx.Err()
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	timer := time.NewTimer(p.next.Sub(now))
	defer timer.Stop()
	p.next = p.next.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
