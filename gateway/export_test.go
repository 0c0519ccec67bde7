package gateway

import "github.com/stompgw/stompgw/gateway/internal/ws"

// WithPeriods sets how patient the node is with WebSocket clients.
func WithPeriods(p ws.Periods) Option { return func(s *settings) { s.periods = p } }
