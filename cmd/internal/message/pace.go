package message

import (
	"context"
	"time"
)

// pace spreads messages evenly over time. Its zero value does not.
type pace struct {
	every time.Duration
	next  time.Time
}

// newPace is that of so many a second; 0 is none.
func newPace(rate float64) pace {
	if rate == 0 {
		return pace{}
	}
	return pace{every: time.Duration(float64(time.Second) / rate)}
}

// maxBehind is by how much a late sender may catch up at once.
const maxBehind = 100 * time.Millisecond

// wait returns when the next message may go.
func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	now := time.Now()
	if p.next.Before(now.Add(-maxBehind)) {
		p.next = now
	}
	due := time.NewTimer(p.next.Sub(now))
	defer due.Stop()
	p.next = p.next.Add(p.every)
	select {
	case <-due.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
