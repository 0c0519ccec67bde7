package router

import (
	"errors"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
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
	untold map[string]hole // what subscribers have yet to hear of, by destination; nil for nothing
	lastID uint64

	delivered atomic.Uint64 // MESSAGEs that clients get; any goroutine may read it
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

// All are the sessions of the loop. They may end, and others begin, while somebody goes through them, also when that takes
// several turns of the loop.
func (l *Local) All() iter.Seq[Recipient] { return maps.Values(l.people) }

// Recipient returns the session of an id, nil if the loop has none.
func (l *Local) Recipient(id registry.SessionID) Recipient { return l.people[id] }

// Subscribed are the subscriptions to that very destination, which is no pattern, from the last to the first: one that ends
// while somebody goes through them has its place taken by the last one, which has come then, and may come again. New ones
// don't come.
func (l *Local) Subscribed(destination string) iter.Seq[*Subscription] {
	return func(yield func(*Subscription) bool) {
		for i := len(l.table.exact[destination]) - 1; i >= 0; i-- {
			list := l.table.exact[destination]
			if i = min(i, len(list)-1); i < 0 || !yield(list[i]) {
				return
			}
		}
	}
}

// Subscribe adds s to the table. ready runs on this loop, perhaps before Subscribe returns, when
// whatever is published from then on will reach s; with an error the bus can't carry the
// destination, and s has to be unsubscribed.
func (l *Local) Subscribe(s *Subscription, ready func(error)) {
	if s.Pattern != nil {
		l.subscribePattern(s, ready)
		return
	}
	l.table.add(s)
	l.watch(s.Destination, ready)
}

// subscribePattern is Subscribe for a pattern, which is ready when all of its watches are.
func (l *Local) subscribePattern(s *Subscription, ready func(error)) {
	if l.table.groups[s.Destination] == nil {
		l.router.learn(s.Pattern)
	}
	watches := l.table.addPattern(s)
	waiting := len(watches)
	var failed error
	settled := func(err error) {
		if failed == nil {
			failed = err
		}
		if waiting--; waiting == 0 {
			ready(failed)
		}
	}
	for _, watch := range watches {
		l.watch(watch, settled)
	}
}

// watch runs ready on this loop, perhaps before it returns, when the bus brings what is watched.
func (l *Local) watch(watch string, ready func(error)) {
	if l.router.isLive(watch, l) {
		ready(nil)
		return
	}
	l.router.watch(watch, l, l.here(ready))
}

// here has ready run on this loop.
func (l *Local) here(ready func(error)) func(error) {
	return func(err error) { l.loop.Post(func() { ready(err) }) }
}

// WhenLive runs ready on this loop when individual messages reach the node's sessions, perhaps
// before WhenLive returns.
func (l *Local) WhenLive(ready func(error)) {
	if l.router.Live() {
		ready(nil)
		return
	}
	l.router.whenLive(l.here(ready))
}

// Unsubscribe undoes Subscribe, and Follow. Messages posted before may still come, but not to s.
func (l *Local) Unsubscribe(s *Subscription) {
	if s.Pattern != nil {
		for _, watch := range l.table.removePattern(s) {
			l.router.unwatch(watch, l)
		}
		if l.table.groups[s.Destination] == nil {
			l.router.unlearn(s.Pattern)
		}
		return
	}
	if s.follows {
		l.router.unfollow(s.Destination)
	}
	if l.table.remove(s) {
		l.router.unwatch(s.Destination, l)
	}
}

// endsAtOnce is how many subscriptions end in one turn of the loop.
const endsAtOnce = 1000

// ended ends the subscriptions that a watch serves which the bus has taken back. One that has asked for it
// anew in this moment is among them.
func (l *Local) ended(watch string) { l.end(l.table.served(watch)) }

func (l *Local) end(list []*Subscription) {
	now := list[:min(len(list), endsAtOnce)]
	for _, s := range now {
		s.Outlet.Ended(s)
	}
	if rest := list[len(now):]; len(rest) > 0 {
		l.loop.Post(func() { l.end(rest) })
	}
}

// deliver hands a message to every subscription that one of the watches serves which brought it; nil
// stands for that of its destination alone. A subscription has one of them at most, so it gets the
// message once. place is where those stand then who have subscribed to the destination itself.
func (l *Local) deliver(m *Message, place string, watches []string) {
	if watches == nil || slices.Contains(watches, m.Destination) {
		l.tellHole(m.Destination, math.MaxInt)
		n := uint64(0)
		for _, s := range l.table.exact[m.Destination] {
			if s.Outlet.Deliver(s, m.Seq, l.packer.pack(m, place, s)) {
				n++
			}
		}
		l.delivered.Add(n)
	}
	if watches == nil && l.table.groups != nil { // one of them may watch this very destination
		l.byPattern(m, m.Destination)
	}
	for _, watch := range watches {
		l.byPattern(m, watch)
	}
	l.packer.reset()
}

// byPattern hands a message to the subscriptions by pattern that a watch serves, if their patterns
// match, which the watch need not say, and they are admitted. No pattern matches a destination that
// looks like one, so what a program sent to such a one past the gateway is nobody's.
func (l *Local) byPattern(m *Message, watch string) {
	for _, g := range l.table.watching[watch] {
		if g.pattern.Match(m.Destination) {
			l.admitted(m, g.subs)
		}
	}
}

func (l *Local) admitted(m *Message, subs []*Subscription) {
	n := uint64(0)
	for _, s := range subs {
		if s.Outlet.Admits(s, m.Destination) && s.Outlet.Deliver(s, m.Seq, l.packer.pack(m, "", s)) {
			n++
		}
	}
	l.delivered.Add(n)
}

// Deliver hands a message to some subscriptions alone.
func (l *Local) Deliver(m *Message, subs ...*Subscription) {
	n := uint64(0)
	for _, s := range subs {
		if s.Outlet.Deliver(s, m.Seq, l.packer.pack(m, "", s)) {
			n++
		}
	}
	l.delivered.Add(n)
	l.packer.reset()
}

// DeliverWith hands a message to one subscription, with a header that nobody else gets.
func (l *Local) DeliverWith(m *Message, more bus.Header, s *Subscription) {
	if s.Outlet.Deliver(s, m.Seq, l.packer.encode(m, "", more, s)) {
		l.delivered.Add(1)
	}
}

// individual hands a message to the session of that id, if it still is the one addressed.
func (l *Local) individual(id registry.SessionID, principal string, m *Message) {
	if r := l.people[id]; r != nil && r.Principal() == principal {
		r.Receive(m)
	}
}

// Message is Router.Message.
func (l *Local) Message(e bus.Envelope) *Message { return l.router.Message(e) }

// Seq is the number of the message that has that message-id header, if it is one of this node.
func (l *Local) Seq(id string) (uint64, bool) {
	digits, ok := strings.CutPrefix(id, l.router.tag+"-")
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, err == nil && seq > 0 && seq <= l.router.seq.Load()
}

// Ack splits an ack header of ours.
func Ack(header string) (messageID, subscription string, ok bool) {
	return strings.Cut(header, ackSeparator)
}

// Publish gives an envelope to the bus, for a target that a backend reads if that is not zero; done runs on a goroutine of
// the bus. After bus.ErrFull, and perhaps without it, p.Unblock runs on this loop when there may be room.
func (l *Local) Publish(to bus.Target, e bus.Envelope, p Publisher, done func(error)) error {
	told := func(err error) {
		done(err)
		l.router.space.freed()
	}
	err := l.router.send(to, e, told)
	if !errors.Is(err, bus.ErrFull) {
		return err
	}
	l.router.space.wait(func() { l.loop.Post(p.Unblock) })
	// The queue may have emptied in between, and then no done would come any more.
	return l.router.send(to, e, told)
}

// Publisher is a session that can be made to wait for the bus.
type Publisher interface {
	Unblock()
}

// Post runs fn on this loop; any goroutine may call it. It reports false when the loop has ended and
// fn will not run.
func (l *Local) Post(fn func()) bool { return l.loop.Post(fn) }

// Listened and Silence are the loop's.
func (l *Local) Listened() uint32                      { return l.loop.Listened() }
func (l *Local) Silence(listened uint32) time.Duration { return l.loop.Silence(listened) }
