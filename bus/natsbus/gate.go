package natsbus

import (
	"sync"
	"time"
)

// gate lets one through in each interval, so that a flood of one kind does not fill the log. Any
// goroutine may ask.
type gate struct {
	every time.Duration

	mu   sync.Mutex
	last time.Time
	held int // since the last that passed
}

// pass reports whether one may pass now, and for how many it stands, itself included.
func (g *gate) pass() (n int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.held++
	if now.Sub(g.last) < g.every {
		return 0, false
	}
	n, g.held, g.last = g.held, 0, now
	return n, true
}
