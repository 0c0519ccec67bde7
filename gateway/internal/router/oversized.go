package router

import (
	"log/slog"

	"github.com/stompgw/stompgw/bus"
)

// Oversized is how many messages of the bus were too large for this node's sessions.
func (r *Router) Oversized() uint64 { return r.oversized.Load() }

// isOversized reports whether e is more than a session's outbound queue holds. It would end every
// subscriber as a slow one, and whoever publishes to the broker himself is bound by no limit of
// ours. It logs one of them a second at most.
func (r *Router) isOversized(e *bus.Envelope) bool {
	size := len(e.Destination) + len(e.Member) + len(e.Body)
	for _, h := range e.Headers {
		size += len(h.Name) + len(h.Value)
	}
	if size <= r.limit {
		return false
	}
	n := r.oversized.Add(1)
	r.tooLarge.Log(r.log, slog.LevelWarn, "message not delivered: it is larger than what may wait for one client (limits.outbound)",
		"destination", e.Destination, "bytes", size, "limit", r.limit, "count", n)
	return true
}
