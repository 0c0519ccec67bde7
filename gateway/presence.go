package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/presence"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/registry"
)

// MaxPresenceLimit is how many members of a room can be listed.
const MaxPresenceLimit = presence.MaxLimit

// Peers are the other nodes. Its methods may be called from any goroutine, and wait for Redis.
type Peers = presence.Peers

// PresenceFigures are a node's counts about presence.
type PresenceFigures = presence.Figures

// Presence says how a node tracks who is in rooms, which are the destinations of channels that have presence.
type Presence struct {
	Grace time.Duration // how long a member that is gone may take to come back before it counts as left; 0 means no time
	Limit int           // members of a room that are listed, 1 to MaxPresenceLimit; more are only counted
	Peers Peers         // nil for a node that is alone
}

// check returns why a node can't keep it so. There may be none.
func (p *Presence) check() error {
	switch {
	case p == nil:
		return nil
	case p.Limit < 1 || p.Limit > MaxPresenceLimit:
		return fmt.Errorf("gateway: %d members of a room that are listed: want 1 to %d", p.Limit, MaxPresenceLimit)
	case p.Grace < 0:
		return fmt.Errorf("gateway: a grace of %v for who leaves a room: want 0 or more", p.Grace)
	}
	return nil
}

// DefaultPresence returns the defaults: 5 s, 1,000, and a node that is alone.
func DefaultPresence() Presence { return Presence{Grace: 5 * time.Second, Limit: 1000} }

// WithPresence has the node track who is in rooms, and tell clients; default off, and then there are no rooms.
func WithPresence(p Presence) Option { return func(s *settings) { s.presence = &p } }

// Present returns who is in rooms through sessions of this node or, with counts, how many are. It keeps the order of
// rooms, and leaves out those where nobody is. It waits for nothing but a short lock. The error is ErrNotRunning.
func (g *Gateway) Present(_ context.Context, rooms []string, counts bool) ([]registry.Present, error) {
	e := g.engine.Load()
	switch {
	case e == nil:
		return nil, ErrNotRunning
	case e.presence == nil:
		return nil, nil
	}
	return e.presence.Present(rooms, counts), nil
}

// newPresence makes that of an engine which has all else.
func (g *Gateway) newPresence(e *engine) {
	if g.set.presence == nil {
		return
	}
	said := *g.set.presence
	e.presence = presence.New(presence.Options{
		Node: g.set.host.Node, Bus: g.bus, Router: e.router, Peers: said.Peers, Grace: said.Grace, Limit: said.Limit,
		Message: g.set.front.Message, TooMany: session.ErrTooMany,
	})
	e.router.TakePresence(e.presence.Deliver)
	for _, host := range e.hosts {
		host.Presence = e.presence
	}
}

// runPresence runs that of an engine. end is for when no loop runs any more: who has left with them is told then. It waits.
func (e *engine) runPresence() (end func()) {
	if e.presence == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { e.presence.Run(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}
