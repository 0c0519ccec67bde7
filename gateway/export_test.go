package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/presence"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/internal/ws"
	"github.com/stompgw/stompgw/gateway/registry"
)

// WithPeriods sets how patient the node is with WebSocket clients.
func WithPeriods(p ws.Periods) Option { return func(s *settings) { s.front.Periods = p } }

// AddPresent says of the destinations that are rooms how many are there.
func AddPresent(page []registry.Destination, present []registry.Present) { addPresent(page, present) }

// WithParting sets how long a stopping node waits for clients of SockJS to ask, and be told.
func WithParting(d time.Duration) Option { return func(s *settings) { s.front.SockJS.Parting = d } }

// WithApplication has the WebSocket endpoint carry something else than STOMP.
func WithApplication(open func(session.Conn) session.Peer) Option {
	return func(s *settings) {
		s.front.SockJS.Application = func(_ *session.Host, c session.Conn) session.Peer { return open(c) }
	}
}

// AwaitDrain has every connection wait until nothing is queued, and returns how many there are.
func (g *Gateway) AwaitDrain() (n int) {
	for _, l := range g.engine.Load().loops {
		for _, do := range []func(){func() {
			l.Each(func(c *loop.Conn) {
				if waiter, ok := c.Handler().(session.Conn); ok {
					waiter.AwaitDrain()
					n++
				}
			})
		}, func() {}, func() {}} { // Drained is called in the second turn
			done := make(chan struct{})
			l.Post(func() { do(); close(done) })
			<-done
		}
	}
	return n
}

// WithPortableLoops makes a node wait where testing/synctest sees it.
func WithPortableLoops() Option {
	return func(s *settings) {
		s.newLoop = func(outbound int) (*loop.Loop, error) { return loop.NewPortable(outbound), nil }
	}
}

// Stop does to the loops what SIGSTOP does to the process. It returns when they go on.
func (g *Gateway) Stop(d time.Duration) {
	var stopped sync.WaitGroup
	for _, l := range g.engine.Load().loops {
		stopped.Add(1)
		l.Post(func() { defer stopped.Done(); time.Sleep(d) })
	}
	stopped.Wait()
}

// WatchTurns measures how long the turns of the loops take, until stop returns them.
func (g *Gateway) WatchTurns() (stop func() []time.Duration) {
	e := g.engine.Load()
	turns := make([][]time.Duration, len(e.loops))
	var over atomic.Bool
	var wg sync.WaitGroup
	for i, l := range e.loops {
		wg.Add(1)
		var last time.Time
		var beat func()
		beat = func() { // once a turn: what is posted in one has its turn in the next
			now := time.Now()
			if !last.IsZero() {
				turns[i] = append(turns[i], now.Sub(last))
			}
			if last = now; over.Load() || !l.Post(beat) {
				wg.Done()
			}
		}
		l.Post(beat)
	}
	return func() (all []time.Duration) {
		over.Store(true)
		wg.Wait()
		for _, some := range turns {
			all = append(all, some...)
		}
		return all
	}
}

// OnLoop runs do on a loop, as its sessions do, and returns when it has run.
func (g *Gateway) OnLoop(do func(p *presence.Presence, l *router.Local)) {
	e, done := g.engine.Load(), make(chan struct{})
	e.loops[0].Post(func() { do(e.presence, e.router.Local(0)); close(done) })
	<-done
}
