package kafkabus

import (
	"sync"
	"time"
)

// seldom permits one log line a second: one bad producer, or one broker, must not fill the disk.
type seldom struct {
	mu   sync.Mutex
	last time.Time
}

func (s *seldom) permits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.last) < time.Second {
		return false
	}
	s.last = now
	return true
}
