package kafkabus

import (
	"log/slog"
	"sync/atomic"

	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
	"github.com/stompgw/stompgw/bus/seldom"
)

// skips counts the records that can't be understood, and logs one of them now and then.
type skips struct {
	log    *slog.Logger
	logged seldom.Line
	count  atomic.Uint64
}

func (s *skips) add(rec *wire.Record, err error) {
	n := s.count.Add(1)
	if _, ok := s.logged.Pass(); ok {
		s.log.Warn("record skipped: it can't be understood",
			"topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset, "err", err, "skipped", n)
	}
}
