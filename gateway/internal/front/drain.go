package front

import (
	"context"
	"slices"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/sockjs"
	"github.com/stompgw/stompgw/gateway/internal/tcp"
	"github.com/stompgw/stompgw/gateway/internal/ws"
)

const (
	drainStep = 100 * time.Millisecond // between two groups
	drainLow  = 10                     // connections of a loop that a group has at least, of each kind
	drainWait = 7 * time.Second        // for the closing handshakes after the last group
)

// Drain sends all away in groups, so that a cluster is not asked to take them in at once: over the given time, or
// sooner where there are few. It calls shut once no session needs the port for HTTP any more; there will be no
// new one. When it returns, cut clients have not closed their connections.
func (d *Door) Drain(over time.Duration, shut func()) (cut int) {
	h := d.house.Load()
	steps := max(int(over/drainStep), 1)
	groups := make([]group, len(h.loops)) // each its loop's own
	for i, l := range h.loops {
		l.Post(func() { groups[i] = newGroup(l, steps) })
	}
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	deadline := time.Now().Add(over + drainWait)
	for h.shut(d.mounts, shut); h.connections() > 0 && time.Now().Before(deadline); h.shut(d.mounts, shut) {
		for i, l := range h.loops {
			l.Post(func() { groups[i].drain(l) })
		}
		<-tick.C
	}
	return h.clients()
}

// shut calls shut if no SockJS session needs the port for HTTP, once.
func (h *house) shut(mounts []*mount, shut func()) {
	if !h.isShut.Load() && !slices.ContainsFunc(mounts, func(m *mount) bool { return m.Len() > 0 }) {
		h.isShut.Store(true)
		shut()
	}
}

// clients is how many have not closed their connections, be it one with a session or on the way to one.
// Connections for requests, which may be several of a client, count as nothing.
func (h *house) clients() int {
	if h.connections() == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // a loop that has failed answers nothing
	defer cancel()
	left, _ := loop.Gather(ctx, h.loops, func(i int, tell func([]loop.Handler)) { tell(clientsOf(h.loops[i])) })
	return len(left)
}

// clientsOf returns a Handler for each client of a loop, on which it has to be called.
func clientsOf(l *loop.Loop) (clients []loop.Handler) {
	l.Each(func(c *loop.Conn) {
		if h := c.Handler(); isClient(h) {
			clients = append(clients, h)
		}
	})
	return clients
}

// isClient tells a connection that is one client from those over which a SockJS client sends and receives.
func isClient(h loop.Handler) bool {
	switch h.(type) {
	case *ws.Conn, *tcp.Conn, *sockjs.Conn:
		return true
	}
	return false
}

// group is how many connections of a loop are told to leave at a time. A SockJS client over HTTP has several,
// so they are counted apart.
type group struct{ clients, others int }

// newGroup divides what a loop has into steps. It runs on the loop, as drain does.
func newGroup(l *loop.Loop, steps int) group {
	clients := len(clientsOf(l))
	share := func(n int) int { return max((n+steps-1)/steps, drainLow) }
	return group{share(clients), share(l.Len() - clients)}
}

// drain tells a group to leave, those without a session too.
func (g group) drain(l *loop.Loop) {
	l.Each(func(c *loop.Conn) {
		left := &g.others
		if isClient(c.Handler()) {
			left = &g.clients
		}
		if d, ok := c.Handler().(interface{ Drain() bool }); ok && *left > 0 && d.Drain() { // false for one that is leaving
			*left--
		}
	})
}
