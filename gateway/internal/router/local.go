package router

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/registry"
)

// Local is the part of the router that one loop owns: every method runs on that loop.
type Local struct {
	router *Router
	loop   *loop.Loop
	index  int // of the loop
	table  table
	packer packer
	people map[registry.SessionID]Recipient
	lastID uint64

	delivered atomic.Uint64 // MESSAGEs handed to subscriptions; any goroutine may read it
}

// Recipient is a session as individual messages find it.
type Recipient interface {
	Principal() string
	// Receive delivers m to the session's subscriptions of m.Destination.
	Receive(m *Message)
}

// Join makes a session known and gives it its id, which is unique on the node.
func (l *Local) Join(r Recipient) registry.SessionID {
	l.lastID++
	id := registry.SessionID(l.lastID*uint64(len(l.router.locals)) + uint64(l.index))
	l.people[id] = r
	return id
}

// Leave undoes Join.
func (l *Local) Leave(id registry.SessionID) { delete(l.people, id) }

// Subscribe adds s to the table. ready runs on this loop, perhaps before Subscribe returns, when
// whatever is published from then on will reach s; with an error the bus can't carry the
// destination, and s is not subscribed.
func (l *Local) Subscribe(s *Subscription, ready func(error)) {
	if list := l.table.exact[s.Destination]; len(list) > 0 {
		s.Destination = list[0].Destination // the same string, held once
	}
	if !l.table.add(s) && l.router.isLive(s.Destination) {
		ready(nil)
		return
	}
	l.router.watch(s.Destination, l, func(err error) {
		l.loop.Post(func() { ready(err) })
	})
}

// WhenLive runs ready on this loop when individual messages reach the node's sessions, perhaps
// before WhenLive returns.
func (l *Local) WhenLive(ready func(error)) {
	if l.router.Live() {
		ready(nil)
		return
	}
	l.router.whenLive(func() { l.loop.Post(func() { ready(nil) }) })
}

// Unsubscribe undoes Subscribe. Messages posted before may still come.
func (l *Local) Unsubscribe(s *Subscription) {
	if l.table.remove(s) {
		l.router.unwatch(s.Destination, l)
	}
}

// deliver hands a message to every subscription of its destination.
func (l *Local) deliver(m *Message) {
	list := l.table.exact[m.Destination]
	l.delivered.Add(uint64(len(list)))
	for _, s := range list {
		s.Outlet.Deliver(s, m.Seq, l.packer.pack(m, s))
	}
	l.packer.reset()
}

// Deliver hands a message to one subscription alone.
func (l *Local) Deliver(m *Message, s *Subscription) {
	l.delivered.Add(1)
	s.Outlet.Deliver(s, m.Seq, l.packer.pack(m, s))
	l.packer.reset()
}

// individual hands a message to the session of that id, if it still is the one addressed.
func (l *Local) individual(id registry.SessionID, principal string, m *Message) {
	if r := l.people[id]; r != nil && r.Principal() == principal {
		r.Receive(m)
	}
}

// Message makes a message of this node that does not cross the bus.
func (l *Local) Message(e bus.Envelope) *Message { return l.router.message(e, e.Destination) }

// Seq is the number of the message that has that message-id header, if it is one of this node.
func (l *Local) Seq(id string) (uint64, bool) { return l.router.seqOf(id) }

// Ack splits an ack header of ours.
func Ack(header string) (messageID, subscription string, ok bool) {
	return strings.Cut(header, ackSeparator)
}

// Publish gives an envelope to the bus; done runs on a goroutine of the bus. After bus.ErrFull, and
// perhaps without it, p.Unblock runs on this loop when there may be room.
func (l *Local) Publish(e bus.Envelope, p Publisher, done func(error)) error {
	return l.router.publish(e, l, p, done)
}

// Publisher is a session that can be made to wait for the bus.
type Publisher interface {
	Unblock()
}

// Post runs fn on this loop; any goroutine may call it.
func (l *Local) Post(fn func()) { l.loop.Post(fn) }

// Now is the loop's time.
func (l *Local) Now() time.Duration { return l.loop.Now() }
