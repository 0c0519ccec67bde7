// Package gateway is a STOMP gateway to embed: clients speak STOMP 1.0 to 1.2 over WebSocket,
// SockJS or TCP, and a bus carries their messages between nodes.
//
// The way of a message in: a loop reads a socket, the transport (ws, sockjs, tcp) unpacks it, session
// decodes and carries out the frame, policy judges it, and router gives it to the bus. The way out:
// router finds the subscribers to what the bus delivers and packs it once for all of a kind, and the
// loop writes.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/internal/front"
	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/presence"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/origin"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Version is this gateway's version, which CONNECTED reports.
const Version = "0.2.0"

// Gateway is one node. It is an http.Handler, so it can also live in somebody else's server.
type Gateway struct {
	bus      bus.Bus
	rules    atomic.Pointer[policy.Catalogue]
	set      settings
	front    *front.Door
	engine   atomic.Pointer[engine]            // nil when not running
	router   atomic.Pointer[router.Router]     // stays after the engine, for its counts
	presence atomic.Pointer[presence.Presence] // likewise; nil for none
}

// engine is what runs while Run does.
type engine struct {
	loops    []*loop.Loop
	hosts    []*session.Host // by loop
	router   *router.Router
	pools    *session.Pools
	presence *presence.Presence // nil for none
	leave    func()             // begins the drain
}

// New makes a node that publishes its sessions to reg and talks to other nodes over b. Both remain the
// caller's, who closes them after Run.
func New(node registry.Node, b bus.Bus, reg registry.Registry, rules *policy.Catalogue, opts ...Option) (*Gateway, error) {
	g := &Gateway{bus: b, set: defaults()}
	g.set.host.Node, g.set.host.Registry = node, reg
	g.rules.Store(rules)
	for _, opt := range opts {
		opt(&g.set)
	}
	for _, line := range g.set.allLines() {
		line.Always = g.set.front.EveryLine
	}
	var err error
	if g.set.front.Origins, err = origin.Parse(g.set.origins); err != nil {
		return nil, fmt.Errorf("gateway: WithOrigins: %w", err)
	}
	if g.set.host.Outbound < g.set.front.Message {
		return nil, fmt.Errorf("gateway: outbound limit %d is under the %d one message may take", g.set.host.Outbound, g.set.front.Message)
	}
	if err := g.set.presence.check(); err != nil {
		return nil, err
	}
	if err := g.set.checkHandlers(rules); err != nil {
		return nil, err
	}
	if err := g.aim(rules); err != nil {
		return nil, err
	}
	g.set.front.SockJS.API = g.newPageAPI()
	g.front = front.New(g.set.front)
	return g, nil
}

// Listener is where connections come from, and what they speak.
type Listener struct {
	net.Listener
	STOMP bool        // plain STOMP; otherwise HTTP and WebSocket
	TLS   *tls.Config // nil for none
}

// Run serves what comes over the listeners, and through ServeHTTP, until ctx ends or Drain is called.
// Then it drains: it refuses new connections, and closes its sessions spread over WithDrain. The HTTP
// listeners stay open while there are SockJS sessions over HTTP, since each of their requests may be a
// new connection; other requests are answered 503. When Run returns, every goroutine it started has
// ended. The error is nil after a drain, else what kept the node from serving. Run must be called once.
func (g *Gateway) Run(ctx context.Context, lns ...Listener) error {
	e, err := g.newEngine()
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	e.leave = func() { fail(nil) }
	inner, stop := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx by the drain
	defer stop()
	door, shut := context.WithCancel(inner)
	defer shut()
	g.front.Open(e.loops, e.hosts)

	defer func() {
		for _, line := range g.set.allLines() {
			line.Close()
		}
		g.front.Close()
	}()
	var wg sync.WaitGroup
	defer e.pools.Close()   // once no loop asks for any
	defer e.runPresence()() // which outlives the loops
	defer wg.Wait()
	run := func(name string, serve func() error) {
		wg.Go(func() {
			if err := serve(); err != nil {
				fail(&failure{fmt.Errorf("%s: %w", name, err)})
			}
		})
	}
	for _, l := range e.loops {
		run("event loop", func() error { return l.Run(inner) })
	}
	run("bus", func() error {
		err := e.router.Run(inner)
		if err == nil && inner.Err() == nil {
			err = errors.New("it has stopped to deliver by itself")
		}
		return err
	})
	run("http", func() error { return g.front.Serve(inner) })
	g.engine.Store(e)
	g.review(e, nil) // rules that came meanwhile
	g.router.Store(e.router)
	g.presence.Store(e.presence)
	for _, ln := range lns {
		open := door
		if ln.STOMP {
			open = ctx
		}
		run(ln.Addr().String(), func() error { return g.front.Accept(open, front.Listener(ln)) })
	}

	<-ctx.Done()
	g.front.Stop()
	g.drain(shut)
	g.engine.Store(nil)
	stop()
	var f *failure
	if errors.As(context.Cause(ctx), &f) {
		return f.err
	}
	return nil
}

// failure tells what ended a Run from a caller's own cause.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }

func (g *Gateway) newEngine() (*engine, error) {
	e := &engine{pools: session.NewPools()}
	for range runtime.GOMAXPROCS(0) {
		l, err := g.set.newLoop(g.set.host.Outbound)
		if err != nil {
			return nil, errors.Join(err, e.discard())
		}
		e.loops = append(e.loops, l)
	}
	rules := g.rules.Load()
	e.router = router.New(g.set.host.Node, g.bus, rules, e.loops, g.set.host.Log)
	e.router.Remember(rules, g.set.memory)
	limits := stomp.DefaultLimits()
	limits.Body = g.set.front.Message
	for i := range e.loops {
		host := g.set.host
		host.Local, host.Rules, host.Limits, host.Pools = e.router.Local(i), rules, &limits, e.pools
		host.Hooks = session.Hooks{Intercept: g.set.intercept(), Handler: g.set.handler(g.rules.Load)}
		e.hosts = append(e.hosts, &host)
	}
	g.newPresence(e)
	return e, nil
}

// discard gives back the descriptors of loops that will not run.
func (e *engine) discard() error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	for _, l := range e.loops {
		errs = append(errs, l.Run(ended))
	}
	return errors.Join(errs...)
}

// Ready returns nil while new clients are accepted, else why not, in words for an operator.
func (g *Gateway) Ready() error {
	e := g.engine.Load()
	switch {
	case g.front.Stopping():
		return errors.New("the node is draining")
	case e == nil:
		return errors.New("the node is starting")
	}
	if err := g.bus.Healthy(); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	if !e.router.Live() {
		return errors.New("bus: it does not deliver yet")
	}
	return nil
}

// Alive returns nil while the node can work as soon as its broker does, else why only a new process
// helps. It never depends on the state of the broker.
func (g *Gateway) Alive() error {
	if b, ok := g.bus.(bus.Living); ok {
		return b.Alive()
	}
	return nil
}

// SetRules replaces the rules. The prefixes and the error destination must be the same as before, and
// the bus must have the backends of the routes; otherwise it returns an error and changes nothing.
// Subscriptions that the new rules don't allow end, and their clients are told. It may be called from
// any goroutine, and returns before all sessions have been checked. When they have been, done is called
// with the number of subscriptions that ended, unless it is nil: on any goroutine, which it must not
// hold up, and never if Run ends first.
func (g *Gateway) SetRules(rules *policy.Catalogue, done func(ended int)) error {
	if !rules.Agrees(g.rules.Load()) {
		return errors.New("gateway: the new rules have other prefixes, or another error destination, than the node began with")
	}
	if err := g.aim(rules); err != nil {
		return err
	}
	g.rules.Store(rules)
	g.review(g.engine.Load(), done)
	return nil
}

// aim tells the bus which backends the rules bring something to.
func (g *Gateway) aim(rules *policy.Catalogue) error {
	backends := rules.Backends()
	forwarder, ok := g.bus.(bus.Forwarder)
	switch {
	case ok:
	case len(backends) == 0:
		return nil
	default:
		return fmt.Errorf("gateway: %s.to: %w: this one brings nothing to backends", backends[0].Rule, bus.ErrTarget)
	}
	targets := make([]bus.Target, 0, len(backends))
	for _, b := range backends {
		targets = append(targets, b.Target)
	}
	if err := forwarder.Aim(targets); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// review has an engine, if there is one, go by the rules.
func (g *Gateway) review(e *engine, done func(ended int)) {
	if rules := g.rules.Load(); e != nil {
		e.router.Remember(rules, g.set.memory)
	}
	e.review(g.reload, done)
}

// reload gives the rules to a loop that has others.
func (g *Gateway) reload(h *session.Host, tell func(ended int)) {
	if rules := g.rules.Load(); rules != h.Rules {
		h.Reload(rules, tell)
	} else {
		tell(0)
	}
}

// review has every loop look at its sessions, and tells done, if it is not nil, how many subscriptions have ended.
// Without an engine there are none.
func (e *engine) review(look func(h *session.Host, tell func(ended int)), done func(ended int)) {
	if done == nil {
		done = func(int) {}
	}
	if e == nil {
		done(0)
		return
	}
	var left, ended atomic.Int64
	left.Store(int64(len(e.loops)))
	for i, l := range e.loops {
		l.Post(func() {
			look(e.hosts[i], func(n int) {
				ended.Add(int64(n))
				if left.Add(-1) == 0 {
					done(int(ended.Load()))
				}
			})
		})
	}
}

// SetIssuers replaces the issuers of WithAuth, as SetRules does the rules: see
// auth.Authenticator.SetIssuers. Clients that are logged in by a key that is gone are told to log in again,
// and from then on are treated as if their tokens had expired. Where a label has changed, subscriptions to
// members' own destinations end, and the members are told. done is as in SetRules.
func (g *Gateway) SetIssuers(issuers []auth.Issuer, done func(ended int)) error {
	if g.set.host.Auth == nil {
		return errors.New("gateway: it was made without WithAuth, and takes no tokens")
	}
	if _, err := g.set.host.Auth.SetIssuers(issuers); err != nil {
		return err
	}
	g.engine.Load().review((*session.Host).IssuersSet, done)
	return nil
}

// Sessions is the number of sessions the node has, counted from CONNECT to their end.
func (g *Gateway) Sessions() int { return int(g.set.host.Stats.Open.Load()) }

// ServeHTTP answers requests at or below the endpoint, and all others as WithPages says. In somebody
// else's server, WebSocket and SockJS need HTTP/1.1, since they take over the connection.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.front.ServeHTTP(w, r) }

// drain lets all leave.
func (g *Gateway) drain(shut func()) {
	began, sessions := time.Now(), g.Sessions()
	cut := g.front.Drain(g.set.drain, shut)
	g.set.host.Log.Info("stopped", "sessions_let_go", max(sessions-cut, 0), "cut_off", cut, "in", time.Since(began).Round(time.Second/10).String())
}
