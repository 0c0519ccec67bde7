package presence

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	// tick is how often changes are told, to nodes and to viewers, while there are any.
	tick = 100 * time.Millisecond

	// toldAtOnce is how many changes are told in a tick, of all rooms together. It is a part of what may wait for a broker, so that clients which
	// come and go in many rooms don't take that from those who SEND.
	toldAtOnce = 1000

	// checkEvery is how often the bus is asked how it does.
	checkEvery = time.Second

	// parting is how long it may take to tell the others who has left with this node.
	parting = time.Second

	// fullPause is between two attempts while a node that ends finds the bus full.
	fullPause = 10 * time.Millisecond
)

// run is a Run. Its goroutine owns all of it.
type run struct {
	*Presence
	ctx     context.Context
	self    string
	views   map[string]*view
	peers   peers
	recent  recent
	digests watch
	strange strangers

	lists   chan listing
	answers chan answer
	asking  sync.WaitGroup

	checkDue time.Time
	beatDue  time.Time
	busErr   error
	lost     uint64 // what the bus says that it has lost
	figures  bool   // lost is known
}

func (p *Presence) newRun(ctx context.Context) *run {
	return &run{
		Presence: p, ctx: ctx, self: p.o.Node.String(), views: map[string]*view{}, peers: peers{live: map[string]*peer{}}, recent: recent{}, strange: strangers{},
		digests: watch{destination: destinationOf("")}, lists: make(chan listing, 1), answers: make(chan answer, askedAtOnce),
	}
}

// Run tells nodes and viewers who comes and goes, until ctx ends. Then it tells the nodes of what has not been told yet, for a second at
// most, and returns when all that it started has ended. While there is nothing to tell and nobody looks, it sleeps.
func (p *Presence) Run(ctx context.Context) {
	r := p.newRun(ctx)
	defer r.asking.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now() // when the timer runs out; zero: it does not
	for {
		select {
		case <-p.book.run:
		case a := <-p.arrived:
			r.take(a)
		case l := <-r.lists:
			r.list(l, time.Now())
		case a := <-r.answers:
			r.answer(a, time.Now())
		case <-timer.C:
			due = time.Time{}
			r.tick(time.Now())
		case <-ctx.Done():
			r.part()
			return
		}
		if next := r.next(time.Now()); !next.IsZero() && (due.IsZero() || next.Before(due)) {
			due = next
			timer.Reset(time.Until(next))
		}
	}
}

// next is when a tick is due, zero for never.
func (r *run) next(now time.Time) time.Time {
	switch viewers, _ := r.desk.size(); {
	case len(r.views) > 0 || viewers > 0 || r.book.dirtyRooms() > 0:
		return now.Add(tick)
	case len(r.recent) > 0:
		return r.beatDue
	}
	return time.Time{}
}

// tick does all that is not a matter of the moment.
func (r *run) tick(now time.Time) {
	r.settle(now)
	r.check(now)
	r.tell(now, toldAtOnce)
	r.beat(now)
	for _, v := range r.views {
		r.step(v, now)
	}
	r.ask(now)
}

// settle does what loops and the bus have left word of.
func (r *run) settle(now time.Time) {
	came, left, verdicts := r.desk.take()
	for _, v := range verdicts {
		v.watch.hear(v, now)
	}
	for _, v := range came {
		v.view = r.view(v.room, now)
		v.view.seats.come(v)
	}
	for _, v := range left {
		v.view.seats.leave(v, now)
	}
}

// view returns that of a room, a new one if there is none.
func (r *run) view(room string, now time.Time) *view {
	if v := r.views[room]; v != nil {
		return v
	}
	v := newView(room, r.o.Grace, r.o.Limit, now)
	r.views[room] = v
	r.desk.setViewed(room, true)
	r.own(v)
	return v
}

// own reads this node's part of a room in the book.
func (r *run) own(v *view) {
	if present, ok := r.book.present(v.room, false); ok {
		v.answer(r.self, &present)
	} else {
		v.answer(r.self, nil)
	}
}

// end drops a view that nobody looks at any more.
func (r *run) end(v *view) {
	v.watch.end(r.o.Router)
	delete(r.views, v.room)
	r.desk.setViewed(v.room, false)
	if len(r.views) == 0 {
		r.digests.end(r.o.Router)
	}
}

// check looks how the bus does, and which nodes there are, while there are views.
func (r *run) check(now time.Time) {
	if len(r.views) == 0 {
		r.figures, r.checkDue = false, time.Time{} // who looks next is told how it does then
		return
	}
	r.digests.begin(r.o.Router, now, r.desk.hear)
	if !now.Before(r.checkDue) {
		r.checkDue = now.Add(checkEvery)
		r.checkBus()
	}
	if r.o.Peers == nil {
		r.peers.listed = true
		return
	}
	if r.peers.listing || now.Before(r.peers.listDue) {
		return
	}
	r.peers.listing, r.peers.listDue = true, now.Add(listEvery)
	r.asking.Go(func() {
		names, err := r.o.Peers.Nodes(r.ctx)
		r.lists <- listing{names, err} // there is room: one is asked for at a time
	})
}

// checkBus has all nodes asked anew when the bus has lost something.
func (r *run) checkBus() {
	r.busErr = r.busHealth()
	b, ok := r.o.Bus.(bus.Measured)
	if !ok {
		return
	}
	f := b.Figures()
	lost := f.Reconnects + f.Missed + f.Gaps
	if r.figures && lost != r.lost {
		r.gaps.Add(1)
		for _, v := range r.views {
			r.askAll(v)
		}
	}
	r.lost, r.figures = lost, true
}

// busHealth says why changes can't cross the bus. Its history has none of them.
func (r *run) busHealth() error {
	if err := r.o.Bus.Healthy(); !errors.Is(err, bus.ErrHistory) {
		return err
	}
	return nil
}

// list notes which nodes there are.
func (r *run) list(l listing, now time.Time) {
	came, gone := r.peers.list(l, r.self, now)
	if l.err == nil {
		r.ignored.Add(r.strange.list(r.peers.live, now))
	}
	for _, v := range r.views {
		for _, node := range gone {
			v.lose(node)
		}
		if v.asking || v.state == live {
			for _, node := range came {
				r.askOf(v, r.peers.live[node])
			}
		}
	}
}

// askAll has all nodes asked of a room.
func (r *run) askAll(v *view) {
	for _, peer := range r.peers.live {
		r.askOf(v, peer)
	}
}

// askOf has a node asked of a room.
func (r *run) askOf(v *view, peer *peer) {
	if p := v.part(peer.name); !p.due {
		p.due = true
		peer.due = append(peer.due, v.room)
	}
}

// ask asks nodes what they are to be asked.
func (r *run) ask(now time.Time) {
	for _, peer := range r.peers.next(now) {
		var rooms []string
		for _, room := range peer.question() {
			if v := r.views[room]; v != nil && v.part(peer.name).due {
				p := v.part(peer.name)
				p.due, p.asked, p.later = false, true, nil
				rooms = append(rooms, room)
			}
		}
		if len(rooms) == 0 {
			continue
		}
		r.asked.Add(1)
		r.peers.asked++
		peer.asked = true
		r.asking.Go(func() {
			present, err := r.o.Peers.Present(r.ctx, peer.name, rooms)
			r.answers <- answer{peer, rooms, present, err} // there is room for all that are asked at once
		})
	}
}

// answer notes what a node has answered.
func (r *run) answer(a answer, now time.Time) {
	r.peers.asked--
	a.peer.asked = false
	if r.peers.live[a.peer.name] != a.peer {
		return // it has gone meanwhile
	}
	said, err := a.read()
	if errors.Is(err, errSenseless) {
		r.ignored.Add(1)
	}
	if err != nil {
		a.peer.again = now.Add(askAgain)
	}
	for _, room := range a.rooms {
		v := r.views[room]
		if v == nil || v.parts[a.peer.name] == nil || !v.parts[a.peer.name].asked {
			continue
		}
		p := v.parts[a.peer.name]
		switch {
		case err != nil:
			p.asked, p.later = false, nil
			r.askOf(v, a.peer)
		case !v.answer(a.peer.name, said[room]):
			r.gap(v, a.peer)
		}
	}
	r.ask(now)
}

var errSenseless = errors.New("presence: no node tells this")

// read checks an answer, and returns it by room.
func (a *answer) read() (map[string]*registry.Present, error) {
	said := make(map[string]*registry.Present, len(a.present))
	for i := range a.present {
		p := &a.present[i]
		if a.err == nil && !isAnswer(p) {
			return nil, errSenseless
		}
		said[p.Destination] = p
	}
	return said, a.err
}

// gap notes that something is missing of what a node has told of a room.
func (r *run) gap(v *view, peer *peer) {
	r.gaps.Add(1)
	r.askOf(v, peer)
}

// take takes what another node tells.
func (r *run) take(a arrival) {
	if a.digest != nil {
		r.compare(a.digest)
		return
	}
	c := a.change
	v, peer := r.views[c.Room], r.known(c.Node)
	if v == nil || peer == nil {
		return // it is asked of all that is viewed once it is known
	}
	switch p := v.part(c.Node); {
	case p.asked:
		if !p.keep(c) {
			r.gap(v, peer)
		}
	case !p.known || p.due: // the answer will have it
	case !v.apply(c):
		r.gap(v, peer)
	}
}

// known returns a node. One that is not listed yet will be soon, or is ignored for good.
func (r *run) known(node string) *peer {
	peer := r.peers.live[node]
	if peer == nil && (r.o.Peers == nil || !r.strange.note(node, time.Now())) {
		r.ignored.Add(1)
	}
	return peer
}

// compare has a node asked of rooms of which something is missing.
func (r *run) compare(d *digest) {
	peer := r.known(d.Node)
	if peer == nil {
		return
	}
	for room, number := range d.Rooms {
		v := r.views[room]
		if v == nil {
			continue
		}
		if p := v.part(d.Node); p.isSettled() && !p.has(number) {
			r.gap(v, peer)
		}
	}
}

// tell tells the other nodes, and this node's views, what has changed here, so many changes at most. The others are told later, and so is what the
// bus does not take: then it reports false.
func (r *run) tell(now time.Time, most int) (taken bool) {
	for left := r.book.dirtyRooms(); left > 0 && most > 0; {
		t := r.book.next()
		if t == nil {
			return true
		}
		if t.last {
			left--
		}
		if t.silent {
			r.book.told(t)
			continue
		}
		t.Node = r.self
		err := r.o.Bus.Publish(bus.Envelope{Destination: destinationOf(t.Room), Body: encode(t.change)}, ignore)
		if errors.Is(err, bus.ErrFull) || errors.Is(err, bus.ErrDown) {
			r.book.untold(t)
			return false
		}
		most--
		r.book.told(t) // what the bus refuses for good, others learn when they ask
		r.recent.note(&t.change, now)
		if v := r.views[t.Room]; v != nil && !v.apply(&t.change) {
			r.own(v)
		}
	}
	return true
}

// ignore is for what digests make good if it fails.
func ignore(error) {}

// beat tells the numbers of rooms that have changed, so that a node that has missed a change asks.
func (r *run) beat(now time.Time) {
	if len(r.recent) == 0 || now.Before(r.beatDue) {
		if r.beatDue.IsZero() || now.Sub(r.beatDue) > beatEvery {
			r.beatDue = now.Add(beatEvery)
		}
		return
	}
	r.beatDue = now.Add(beatEvery)
	for _, d := range r.recent.digests(r.self, now) {
		if r.o.Bus.Publish(bus.Envelope{Destination: destinationOf(""), Body: encode(d)}, ignore) != nil {
			break // the next ones tell the same
		}
	}
	if r.busHealth() != nil {
		r.recent.hold(now)
	}
}

// part tells the others who has left with this node.
func (r *run) part() {
	for end := time.Now().Add(parting); r.book.dirtyRooms() > 0 && time.Now().Before(end); {
		if !r.tell(time.Now(), math.MaxInt) {
			time.Sleep(fullPause)
		}
	}
}
