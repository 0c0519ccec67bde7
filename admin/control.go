package admin

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Controlled is what operators can ask of a node; *gateway.Gateway is one.
type Controlled interface {
	Live(ctx context.Context, ids []registry.SessionID) ([]registry.Live, error)
	Subscribers(ctx context.Context, destination string) ([]registry.SessionID, error)
	Destinations(ctx context.Context, match, after string, most int) ([]registry.Destination, string, error)
	Present(ctx context.Context, rooms []string, counts bool) ([]registry.Present, error)
	Kick(ctx context.Context, ids []registry.SessionID, k gateway.Kick) ([]registry.SessionID, error)
	EndSubscriptions(ctx context.Context, ids []registry.SessionID, destination, reason string) ([]registry.SessionID, error)
	Figures() gateway.Figures
	Ready() error
	Draining() bool
	Drain()
}

const (
	controlWorkers = 8   // requests that are carried out at a time
	controlQueue   = 128 // requests that wait; more are dropped
	controlRecent  = 512 // requests whose ids are remembered, since each may come several times
)

// Control lets operators reach one node, over Redis. Whoever may publish in that Redis is an operator.
type Control struct {
	m       redisregistry.Map
	node    registry.Node
	gw      Controlled
	refresh func(context.Context) error
	log     *slog.Logger

	requests chan request
	audit    audit
	look     time.Duration // lookEvery, less for tests

	// Of the goroutine that listens.
	recent []string // the ids of requests, the last ones last
	lost   bool     // operators can't reach the node

	// Counts, which metrics tell.
	answered  atomic.Uint64 // requests
	malformed atomic.Uint64 // messages that are no requests
	dropped   atomic.Uint64 // requests, because too many came at once; they are asked again
}

// NewControl returns a Control; call its Run. refresh makes the node read the list of blocks again. Whoever
// asked for it is answered when it returns, and then takes the blocks as known; it runs on goroutines of
// Run, several at a time, and may wait.
func NewControl(m redisregistry.Map, node registry.Node, gw Controlled, refresh func(context.Context) error, log *slog.Logger) *Control {
	return &Control{m: m, node: node, gw: gw, refresh: refresh, log: log,
		requests: make(chan request, controlQueue), audit: audit{log: log}, look: lookEvery}
}

// Run answers operators until ctx ends. While Redis is away nobody can ask. It must be called once.
func (c *Control) Run(ctx context.Context) error {
	defer func() { c.audit.sweep(time.Now()) }() // of all calls
	var wg sync.WaitGroup
	defer wg.Wait() // for what is being carried out
	wg.Go(func() { c.audit.run(ctx) })
	for range controlWorkers {
		wg.Go(func() { c.work(ctx) })
	}
	c.listen(ctx)
	return nil
}

// reached notes whether operators can reach the node; err is why not.
func (c *Control) reached(err error) {
	switch {
	case err == nil && c.lost:
		c.log.Info("operators can reach this node again")
	case err != nil && !c.lost:
		c.log.Warn("operators can't reach this node over redis; it keeps trying", "err", err)
	}
	c.lost = err != nil
}

// take puts a message into the queue. It never waits: a flood of requests must not hold up what
// matters, nor fill memory.
func (c *Control) take(payload string) {
	r, err := parseRequest(payload)
	if err != nil {
		if c.malformed.Add(1) == 1 {
			c.log.Warn("ignored something that is not an operator's request; further ones are only counted", "err", err)
		}
		return
	}
	if slices.Contains(c.recent, r.ID) {
		return
	}
	select {
	case c.requests <- r:
		c.recent = append(c.recent[max(len(c.recent)-controlRecent+1, 0):], r.ID)
	default:
		if c.dropped.Add(1) == 1 {
			c.log.Warn("too many operators' requests at once, dropped one; further ones are only counted", "waiting", controlQueue)
		}
	}
}

// operationTimeout is how long the loops of the gateway may take for one request. Who asked has given
// up long before.
const operationTimeout = 30 * time.Second

// work carries out requests until ctx ends.
func (c *Control) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-c.requests:
			c.serve(ctx, r)
		}
	}
}

func (c *Control) serve(ctx context.Context, r request) {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	a, err := c.perform(ctx, r)
	if err != nil { // what was done all the same is told too
		a.Error = err.Error()
	}
	a.ID, a.Node = r.ID, c.node.String()
	c.answered.Add(1)
	if err := c.tell(ctx, r.Reply, a); err != nil {
		c.log.Debug("an operator could not be answered", "op", string(r.Op), "err", err)
	}
	if r.Op == opDrain && err == nil { // when the answer has gone, for the process may end
		c.gw.Drain()
	}
}

// perform does what r asks for.
func (c *Control) perform(ctx context.Context, r request) (a answer, err error) {
	switch r.Op {
	case opAbout:
		a.State = c.state()
	case opLive:
		a.Live, err = c.gw.Live(ctx, r.Sessions)
	case opSubscribers:
		a.Sessions, err = c.gw.Subscribers(ctx, r.Destination)
	case opNames:
		a.Names, a.Next, err = c.gw.Destinations(ctx, r.Destination, r.After, r.Most)
	case opPresence:
		a.Present, a.Left, err = c.present(ctx, r)
	case opKick:
		a.Sessions, err = c.gw.Kick(ctx, r.Sessions, r.Kick)
		c.audit.ended(r, len(a.Sessions))
	case opEnd:
		a.Sessions, err = c.gw.EndSubscriptions(ctx, r.Sessions, r.Destination, r.Reason)
		c.audit.ended(r, len(a.Sessions))
	case opDrain:
		a.State = c.state()
		c.log.Info("an operator drains this node", "by", printable(r.By), "sessions", a.State.Sessions)
	case opRefresh:
		err = c.refresh(ctx)
		c.noteBlock(r)
	case opDone:
		c.audit.end(r.Call)
	default:
		err = fmt.Errorf("this node, of version %s, does not know what %q is", gateway.Version, r.Op)
	}
	return a, err
}

// noteBlock writes the line of a block, or of its end. What a kick blocks stands in the line of the kick.
func (c *Control) noteBlock(r request) {
	switch {
	case r.Whom == "":
	case r.For == "":
		c.log.Info("an operator unblocked a member", "by", printable(r.By), "member", printable(r.Whom))
	default:
		c.log.Info("an operator blocked a member", "by", printable(r.By), "member", printable(r.Whom), "for", printable(r.For))
	}
}

func (c *Control) state() *nodeState {
	f := c.gw.Figures()
	s := nodeState{Draining: c.gw.Draining(), Ready: ready, Sessions: f.Sessions, Connections: f.Connections}
	if err := c.gw.Ready(); err != nil {
		s.Ready = err.Error()
	}
	return &s
}

// tell publishes an answer, part by part.
func (c *Control) tell(ctx context.Context, token string, a answer) error {
	parts, err := split(a)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := c.m.Client.Redis().Publish(ctx, replyChannel(c.m, token), part).Err(); err != nil {
			return err
		}
	}
	return nil
}
