package kafkabus

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// skips counts the records that can't be understood, and logs at most one of them a second: one
// bad producer must not fill the disk.
type skips struct {
	log   *slog.Logger
	count atomic.Uint64

	mu     sync.Mutex
	logged time.Time
}

func (s *skips) add(rec *record, err error) {
	n := s.count.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.logged) < time.Second {
		return
	}
	s.logged = now
	s.log.Warn("record skipped: it can't be understood",
		"topic", rec.topic, "partition", rec.partition, "offset", rec.offset, "err", err, "skipped", n)
}
