package gateway

import (
	"time"

	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// WithPeriods sets how patient the node is with WebSocket clients.
func WithPeriods(p ws.Periods) Option { return func(s *settings) { s.periods = p } }

// WithParting sets how long a stopping node waits for clients of SockJS to ask, and be told.
func WithParting(d time.Duration) Option { return func(s *settings) { s.parting = d } }
