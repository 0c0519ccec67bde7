package cmd

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// pace spreads messages evenly over time. Its zero value does not.
type pace struct {
	every time.Duration
	next  time.Time
}

// newPace reads a rate: 100/s, 100 which means the same, or 30/m; empty for none.
func newPace(rate string) (pace, error) {
	if rate == "" {
		return pace{}, nil
	}
	number, unit, named := strings.Cut(rate, "/")
	if !named {
		unit = "s"
	}
	n, err := strconv.ParseFloat(number, 64)
	per, known := map[string]time.Duration{"s": time.Second, "m": time.Minute}[unit]
	if err != nil || !known || !(n > 0) || n > 1e6 || n < 1e-3 {
		return pace{}, fmt.Errorf("--rate %s: want a number of messages in a second or minute, such as 100/s or 30/m", rate)
	}
	return pace{every: time.Duration(float64(per) / n)}, nil
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
