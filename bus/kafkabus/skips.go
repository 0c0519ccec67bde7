package kafkabus

import (
	"log/slog"
	"sync/atomic"
)

// skips counts the records that can't be understood, and logs one of them now and then.
type skips struct {
	log    *slog.Logger
	logged seldom
	count  atomic.Uint64
}

func (s *skips) add(rec *record, err error) {
	n := s.count.Add(1)
	if s.logged.permits() {
		s.log.Warn("record skipped: it can't be understood",
			"topic", rec.topic, "partition", rec.partition, "offset", rec.offset, "err", err, "skipped", n)
	}
}
