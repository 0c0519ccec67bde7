// Package seldom keeps what strangers cause from filling the log.
package seldom

import (
	"cmp"
	"sync"
	"time"
)

// Line is a line of the log that is written once in a while at most. Its zero value is ready, and any
// goroutine may use it.
type Line struct {
	// Not to be changed once in use.
	Every  time.Duration // how often, default a second
	Always bool          // it is written each time

	mu   sync.Mutex
	last time.Time // when it was written; zero for never
	left int
}

// Pass reports whether the line may be written now, and how many were left out since the last one.
func (l *Line) Pass() (left int, ok bool) {
	if l.Always {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.last.IsZero() && now.Sub(l.last) < cmp.Or(l.Every, time.Second) {
		l.left++
		return 0, false
	}
	left, l.left, l.last = l.left, 0, now
	return left, true
}
