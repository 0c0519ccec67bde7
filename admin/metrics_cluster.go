package admin

import "github.com/stompgw/stompgw/gateway/registry/redisregistry"

// RegistryFigures tells of the node's sessions in Redis. It must not block.
type RegistryFigures func() redisregistry.Figures

func (r RegistryFigures) collect(s scrape) {
	f := r()
	s.gauge("registry_up", "1 while Redis takes the sessions, else 0.", oneIf(!f.Away))
	s.gauge("registry_sessions", "Sessions that this node publishes in Redis.", float64(f.Sessions))
	s.gauge("registry_waiting", "Changes of sessions that Redis does not have yet.", float64(f.Waiting))
	s.counter("registry_rewritten_total", "Sessions written again because Redis had lost them.", f.Rewritten)
	s.counter("registry_swept_nodes_total", "Dead nodes whose leftovers in Redis this node removed.", f.Swept)
}

func (c *Control) collect(s scrape) {
	f := c.Figures()
	s.counter("control_requests_total", "Requests of operators over Redis that were answered.", f.Answered)
	s.counter("control_malformed_total", "Messages over Redis that are no requests of an operator.", f.Malformed)
	s.counter("control_dropped_total", "Requests of operators dropped because too many came at once.", f.Dropped)
}

// collect of nil, of a node without a limit, tells nothing.
func (l *MemberLimit) collect(s scrape) {
	if l == nil {
		return
	}
	f := l.Figures()
	s.counter("member_limit_kicked_total", "Sessions that this node ended, on any node, because their member had too many.", f.Kicked)
	s.counter("member_limit_unchecked_total", "Times that a member's sessions could not be counted, because Redis was away, a node silent or too many came.", f.Unchecked)
}
