package natsbus

import (
	"sync"
	"time"
)

// gate lets one through each second, so that a flood of one kind does not fill the log. Any
// goroutine may ask.
type gate struct {
	mu   sync.Mutex
	last time.Time
}

func (g *gate) pass() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Sub(g.last) < time.Second {
		return false
	}
	g.last = now
	return true
}
