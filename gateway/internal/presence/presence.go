package presence

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/registry"
)

// Options are what a node's presence goes by.
type Options struct {
	Node    registry.Node
	Bus     bus.Bus
	Router  *router.Router
	Peers   Peers         // nil for a node that is alone
	Grace   time.Duration // after which a member has left who does not come back
	Limit   int           // members of a room that are listed; beyond they are counted
	Message int           // bytes of one MESSAGE's body, at most; one member may take more
	TooMany error         // what viewers are told of a room that has more than Limit
}

// Presence is who is where. Its methods may be called from any goroutine, but for those that take a router.Local: they run on its loop.
type Presence struct {
	o       Options
	book    *book
	desk    *desk
	arrived chan arrival

	asked   atomic.Uint64 // questions to nodes
	gaps    atomic.Uint64
	ignored atomic.Uint64
}

// arrival is what another node tells, one or the other.
type arrival struct {
	change *change
	digest *digest
}

// arrivals is how much may wait that other nodes tell.
const arrivals = 256

// Figures are what a node's presence does, and has done.
type Figures struct {
	Rooms   int    // with somebody of this node
	Members int    // in these, each once for each of them
	Views   int    // rooms that this node's clients look at, or have looked at a moment ago
	Viewers int    // subscriptions to who is there
	Asked   uint64 // questions to other nodes
	Gaps    uint64 // occasions on which something was missing of what a node told
	Ignored uint64 // envelopes, and answers, that no node of the cluster sends
}

// New makes a node's presence. Before the router runs, Deliver is to be its TakePresence.
func New(o Options) *Presence {
	b := newBook(o.Limit)
	return &Presence{o: o, book: b, desk: newDesk(b.run), arrived: make(chan arrival, arrivals)}
}

// Come says that a subscription of a session is in a room from now on, as a member, empty for nobody, with info, nil for none, which is
// JSON and kept. counts says that the room's rule only counts. What nodes can't tell each other is left out: info beyond MaxInfo or not JSON, and
// rooms whose names are too long or not UTF-8.
func (p *Presence) Come(room string, id registry.SessionID, member string, info []byte, counts bool) {
	if !isRoom(room) {
		return
	}
	if len(info) > MaxInfo || member == "" || counts || !json.Valid(info) {
		info = nil
	}
	p.book.come(room, id, member, info, counts)
}

// Go takes back one Come of the same session and member.
func (p *Presence) Go(room string, id registry.SessionID, member string) {
	p.book.leave(room, id, member)
}

// View has s, a subscription to the presence of a room, receive who is there, or with counts how many are. ready runs once on the loop: with nil
// when it begins, before the first MESSAGE, or with why not: Options.TooMany, or a bus.ErrDestination. After nil, ended runs on the loop when the room
// has got too many members; nothing comes then any more.
func (p *Presence) View(l *router.Local, s *router.Subscription, room string, counts bool, ready func(error), ended func(error)) {
	v := &viewer{local: l, sub: s, room: room, audience: members, ready: ready, ended: ended}
	if counts {
		v.audience = numbers
	}
	p.desk.come(v)
}

// Unview takes View back. Neither of its functions runs after it. It does nothing for what is no viewer, or no longer.
func (p *Presence) Unview(l *router.Local, s *router.Subscription) {
	v := p.desk.leave(s)
	if v == nil {
		return
	}
	v.over = true
	v.detach()
}

// detach takes a viewer out of the loop's table.
func (v *viewer) detach() {
	if v.attached {
		v.attached = false
		v.local.Detach(v.sub)
	}
}

// Present is who is in rooms through this node's sessions, or with counts how many. Empty ones are left out.
func (p *Presence) Present(rooms []string, counts bool) (list []registry.Present) {
	for _, room := range rooms {
		if present, ok := p.book.present(room, counts); ok {
			list = append(list, present)
		}
	}
	return list
}

// Figures waits for nothing but a short lock.
func (p *Presence) Figures() (f Figures) {
	f.Rooms, f.Members = p.book.size()
	f.Viewers, f.Views = p.desk.size()
	f.Asked, f.Gaps, f.Ignored = p.asked.Load(), p.gaps.Load(), p.ignored.Load()
	return f
}

// Deliver takes what nodes tell each other, this one's own too, which it leaves out: the book is the truth. It waits while Run has too
// much to do, until ctx ends.
func (p *Presence) Deliver(ctx context.Context, e bus.Envelope) {
	a, ok := p.read(&e)
	switch {
	case !ok:
		p.ignored.Add(1)
		return
	case a == arrival{}:
		return
	}
	select {
	case p.arrived <- a:
	case <-ctx.Done():
	}
}

// read reads an envelope that somebody here wants to know of. ok is false for what no node tells.
func (p *Presence) read(e *bus.Envelope) (a arrival, ok bool) {
	room := e.Destination[len(router.PresenceOnBus):]
	if !p.desk.isViewed(room) {
		return arrival{}, true
	}
	self := p.o.Node.String()
	if room == "" {
		d, ok := decodeDigest(e.Body)
		if !ok || d.Node == self {
			return arrival{}, ok
		}
		return arrival{digest: &d}, true
	}
	c, ok := decodeChange(room, e.Body)
	if !ok || c.Node == self {
		return arrival{}, ok
	}
	return arrival{change: &c}, true
}
