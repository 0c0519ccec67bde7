package admin

import (
	"context"
	"time"
)

// ControlQueue is how many requests wait for a node.
const ControlQueue = controlQueue

// ControlWorkers is how many requests a node carries out at a time.
const ControlWorkers = controlWorkers

// CountUpTo is Count with another limit than a million.
func (c *Cluster) CountUpTo(ctx context.Context, by By, most int) ([]Count, error) {
	return c.count(ctx, by, most)
}

// Forget has the cluster wait again for nodes that were silent.
func (c *Cluster) Forget() {
	for _, s := range []*silence{c.silence, c.unable[opNames], c.unable[opPresence]} {
		s.mu.Lock()
		clear(s.since)
		s.mu.Unlock()
	}
}

// SetClock gives the cluster another clock to remember silent nodes by.
func (c *Cluster) SetClock(now func() time.Time) {
	for _, s := range []*silence{c.silence, c.unable[opNames], c.unable[opPresence], c.silent} {
		s.now = now
	}
}

// SetAgain has the limit count again what it could not count so often.
func (l *MemberLimit) SetAgain(d time.Duration) { l.again = d }

// Waiting is how many members are to be counted.
func (l *MemberLimit) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.members)
}

// MaxUnchecked is how many members can wait to be counted.
const MaxUnchecked = maxUnchecked

// SetLook has the node look after its subscription so often.
func (c *Control) SetLook(d time.Duration) { c.look = d }

// Answered, Malformed and Dropped are the counts of a Control.
func (c *Control) Answered() uint64  { return c.answered.Load() }
func (c *Control) Malformed() uint64 { return c.malformed.Load() }
func (c *Control) Dropped() uint64   { return c.dropped.Load() }

// Kicked and Unchecked are the counts of a MemberLimit.
func (l *MemberLimit) Kicked() uint64    { return l.kicked.Load() }
func (l *MemberLimit) Unchecked() uint64 { return l.unchecked.Load() }

// NewFiguredControl returns a Control with the given counts.
func NewFiguredControl(answered, malformed, dropped uint64) *Control {
	c := new(Control)
	c.answered.Store(answered)
	c.malformed.Store(malformed)
	c.dropped.Store(dropped)
	return c
}

// NewFiguredLimit returns a MemberLimit with the given counts.
func NewFiguredLimit(kicked, unchecked uint64) *MemberLimit {
	l := new(MemberLimit)
	l.kicked.Store(kicked)
	l.unchecked.Store(unchecked)
	return l
}

// MaxWindow is how many envelopes of one call are on their way at a time.
const MaxWindow = maxWindow

// MaxAsks is how many may ask nodes at once.
const MaxAsks = maxAsks
