package router

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/gateway/internal/history"
	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// Router is the node's side of the bus. Its methods may be called from any goroutine.
type Router struct {
	node     registry.Node
	tag      string // what makes message-ids of this node unlike those of others
	bus      bus.Bus
	narrower bus.Narrower // nil if the bus brings everything
	recaller bus.Recaller // nil if the bus knows no past

	forwarder bus.Forwarder // nil if the bus brings nothing to backends
	rules     *policy.Catalogue
	locals    []*Local
	limit     int // bytes that may wait for one session
	log       *slog.Logger
	presence  func(context.Context, bus.Envelope) // takes who is where; nil if nobody wants to know
	seq       atomic.Uint64
	leftOut   atomic.Uint64 // headers of messages

	oversized atomic.Uint64 // messages not delivered because they are larger than what may wait for one session
	tooLarge  seldom.Line   // of the log

	memory memory

	mu       sync.RWMutex
	interest map[string]*interest // by watch
	known    map[string]*known    // patterns that clients subscribe by, by their text
	patterns index                // of those that are patterns, if the bus brings everything
	received interest             // what comes without a watch: it is live when Receive has said ready

	space space
}

// interest is what this node knows of a watch, which is a destination or a pattern, that it has
// subscribers for.
type interest struct {
	watch   string
	loops   []*Local      // with a subscriber, never changed: replaced
	live    bool          // the bus brings what is published to it
	over    atomic.Bool   // it was forgotten
	err     error         // or never will
	waiting []func(error) // to be told which
}

// New makes the router of a node whose sessions live on the given loops.
func New(node registry.Node, b bus.Bus, rules *policy.Catalogue, loops []*loop.Loop, log *slog.Logger) *Router {
	r := &Router{node: node, bus: b, rules: rules, limit: loops[0].Limit(), log: log, interest: map[string]*interest{}, known: map[string]*known{}}
	r.narrower, _ = b.(bus.Narrower)
	r.recaller, _ = b.(bus.Recaller)
	r.forwarder, _ = b.(bus.Forwarder)
	r.memory.store, r.memory.followed = history.New[*Message](0), map[string]*follow{}
	_, uuid, _ := strings.Cut(node.String(), "/")
	r.tag, _, _ = strings.Cut(uuid, "-")
	for i, l := range loops {
		r.locals = append(r.locals, &Local{
			router: r, loop: l, index: i,
			table:  table{exact: map[string][]*Subscription{}},
			people: map[registry.SessionID]Recipient{},
		})
	}
	return r
}

// send gives an envelope to the bus, for a target if that is not zero.
func (r *Router) send(to bus.Target, e bus.Envelope, done func(error)) error {
	switch {
	case to == bus.Target{}:
		return r.bus.Publish(e, done)
	case r.forwarder == nil:
		return bus.ErrTarget
	}
	return r.forwarder.Forward(to, e, done)
}

// Local returns the part that loop number i owns.
func (r *Router) Local(i int) *Local { return r.locals[i] }

// Delivered is how many MESSAGEs the outlets have taken for their clients.
func (r *Router) Delivered() (n uint64) {
	for _, l := range r.locals {
		n += l.delivered.Load()
	}
	return n
}

// LeftOut is how many headers of the bus's messages no client got, as STOMP has no place for them.
func (r *Router) LeftOut() uint64 { return r.leftOut.Load() }

// Run receives from the bus until ctx ends.
func (r *Router) Run(ctx context.Context) error {
	defer r.tooLarge.Close()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel() // the bus may end by itself
	wg.Go(func() { r.sweep(ctx) })
	return r.bus.Receive(ctx, r.ready, func(e bus.Envelope) { r.deliver(ctx, e) })
}

// Live reports whether the bus has begun to deliver.
func (r *Router) Live() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.received.live
}

// ready tells those who wait for the bus to deliver.
func (r *Router) ready() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received.settle(nil)
}

func (r *Router) whenLive(tell func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received.wait(tell)
}

// wait has tell told once it is settled, which may be now.
func (in *interest) wait(tell func(error)) {
	if in.live || in.err != nil {
		tell(in.err)
		return
	}
	in.waiting = append(in.waiting, tell)
}

func (in *interest) settle(err error) {
	in.live, in.err = err == nil, err
	for _, tell := range in.waiting {
		tell(err)
	}
	in.waiting = nil
}

// isLive reports whether l receives by that watch already.
func (r *Router) isLive(watch string, l *Local) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	in := r.interest[watch]
	return in != nil && in.live && slices.Contains(in.loops, l)
}

// watch says that l has subscribers that need that watch, and tells when they receive.
func (r *Router) watch(watch string, l *Local, tell func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in, known := r.interest[watch]
	if !known {
		in = &interest{watch: watch}
		r.remember(in)
	}
	if !slices.Contains(in.loops, l) {
		in.loops = append(slices.Clip(in.loops), l)
	}
	in.wait(tell)
	switch {
	case known:
	case r.narrower != nil:
		r.narrower.Watch(watch, func(err error) { r.watched(in, err) })
	default:
		r.received.wait(in.settle) // perhaps now; those who have left meanwhile are told too
	}
}

func (r *Router) remember(in *interest) {
	r.interest[in.watch] = in
	if r.narrower == nil && bus.Wide(in.watch) {
		r.patterns.add(in.watch, in)
	}
}

// forget takes out an interest without subscribers.
func (r *Router) forget(in *interest) {
	in.over.Store(true)
	delete(r.interest, in.watch)
	if r.narrower == nil && bus.Wide(in.watch) {
		r.patterns.remove(in.watch)
	}
}

// watched tells the subscribers how a watch of the bus has turned out. After an error each of them
// unsubscribes, and with the last one the watch is forgotten. An error after nil takes it back.
func (r *Router) watched(in *interest, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.live && err != nil {
		r.takeBack(in, err)
		return
	}
	in.settle(err)
}

// takeBack ends what the bus brings no more. It is forgotten before its subscribers hear of it, so that
// the next ones ask the bus anew.
func (r *Router) takeBack(in *interest, err error) {
	in.live, in.err = false, err
	if r.interest[in.watch] != in {
		return // they have left
	}
	r.forget(in)
	r.memory.store.Forget(in.watch)
	for _, l := range in.loops {
		l.loop.Post(func() { l.ended(in.watch) }) // it fails only when the node is stopping
	}
}

// unwatch says that l has no subscriber any more that needs that watch.
func (r *Router) unwatch(watch string, l *Local) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.interest[watch]
	if in == nil {
		return // the bus has taken it back
	}
	in.loops = slices.DeleteFunc(slices.Clone(in.loops), func(have *Local) bool { return have == l })
	if len(in.loops) > 0 {
		return
	}
	r.forget(in)
	if r.narrower != nil && in.err == nil {
		r.narrower.Unwatch(watch)
		r.memory.store.Forget(watch) // what comes until somebody watches it again does not come here
		in.settle(nil)               // the bus tells nothing more to those who have left before it was live
	}
}

// deliver brings an envelope of the bus to the loops that want it. It waits while one of them has
// no room, until ctx ends.
func (r *Router) deliver(ctx context.Context, e bus.Envelope) {
	switch {
	case r.presenceOnly(ctx, &e):
		return
	case e.Principal != "":
		r.individual(ctx, e)
		return
	case e.Mark != nil:
		r.remembered(ctx, e)
		return
	}
	loops, watches := r.wanted(&e, r.rules.IsMember(e.Destination))
	if len(loops) == 0 || r.isOversized(&e) {
		return
	}
	r.hand(ctx, r.broadcast(e), "", loops, watches)
}

// broadcast makes the message of an envelope that is not individual.
func (r *Router) broadcast(e bus.Envelope) *Message {
	return r.message(e, e.Destination, r.rules.ClientDestination(e.Destination))
}

// hand has loops deliver a message.
func (r *Router) hand(ctx context.Context, m *Message, place string, loops []*Local, watches []string) {
	for _, l := range loops {
		l.loop.PostWait(ctx, func() { l.deliver(m, place, watches) }) // it fails only when the node is stopping
	}
}

// wanted returns the loops that want a broadcast, each once, and the watches that brought it; nil
// stands for its own destination alone, as it always is of a member's. A Narrower brings it once for
// each watch, and says which; on a bus that brings everything, all that it falls under brought it at once.
func (r *Router) wanted(e *bus.Envelope, ofMember bool) (loops []*Local, watches []string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e.Watch != "" && e.Watch != e.Destination {
		if ofMember {
			return nil, nil
		}
		return union(r.interest[e.Watch])
	}
	own := r.interest[e.Destination]
	if r.patterns.size > 0 && !ofMember {
		if found := r.patterns.appendMatches(nil, e.Destination); len(found) > 0 {
			return union(append(found, own)...)
		}
	}
	if own == nil {
		return nil, nil
	}
	return own.loops, nil
}

// union returns the loops of several interests, each once, and their watches. An interest may be nil.
func union(interests ...*interest) (loops []*Local, watches []string) {
	watches = make([]string, 0, len(interests))
	for _, in := range interests {
		if in == nil {
			continue
		}
		watches = append(watches, in.watch)
		if loops == nil {
			loops = slices.Clip(in.loops) // what is appended goes elsewhere
			continue
		}
		for _, l := range in.loops {
			if !slices.Contains(loops, l) {
				loops = append(loops, l)
			}
		}
	}
	return loops, watches
}

// individual brings an envelope to the one session that its principal names.
func (r *Router) individual(ctx context.Context, e bus.Envelope) {
	rest, ok := strings.CutPrefix(e.Principal, r.node.String()+"/")
	if !ok {
		return // a session of another node
	}
	name, _, _ := strings.Cut(rest, "/")
	id, err := registry.ParseSessionID(name)
	if err != nil || r.isOversized(&e) {
		return
	}
	l := r.locals[uint64(id)%uint64(len(r.locals))]
	to := r.rules.SessionDestination(e.Destination)
	m := r.message(e, to, to)
	m.Correlation = correlationOf(e.Headers)
	l.loop.PostWait(ctx, func() { l.individual(id, e.Principal, m) }) // as above
}

// correlationOf returns what a message says that it is an answer to, of repeated headers the first.
func correlationOf(headers []bus.Header) string {
	for i := range headers {
		if headers[i].Name == HeaderCorrelation {
			return strings.Clone(headers[i].Value) // what it is a part of goes
		}
	}
	return ""
}

func (r *Router) message(e bus.Envelope, destination, name string) *Message {
	m := NewMessage(e, destination, name, r.tag, r.seq.Add(1))
	if m.leftOut > 0 {
		r.leftOut.Add(uint64(m.leftOut))
	}
	return m
}
