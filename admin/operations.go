package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

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
		a.Live, err = c.live(ctx, r.Sessions)
	case opSubscribers:
		a.Sessions, err = c.gw.Subscribers(ctx, r.Destination)
	case opKick:
		a.Sessions, err = c.gw.Kick(ctx, r.Sessions, r.Kick)
		c.audit.kicked(r, len(a.Sessions))
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

func (c *Control) live(ctx context.Context, ids []registry.SessionID) ([]registry.Live, error) {
	found, err := c.gw.Live(ctx, ids)
	for i := range found {
		found[i].Subscriptions = shown(found[i].Subscriptions)
	}
	return found, err
}

// shown returns the first destinations, as many as are told.
func shown(destinations []string) []string {
	n := 0
	for i, d := range destinations {
		if n += len(d); n > maxShown {
			return destinations[:i]
		}
	}
	return destinations
}

// tell publishes an answer, part by part.
func (c *Control) tell(ctx context.Context, token string, a answer) error {
	parts, err := split(a)
	if err != nil {
		return err
	}
	channel := channelsOf(c.m).reply(token)
	for _, part := range parts {
		if err := c.m.Client.Redis().Publish(ctx, channel, part).Err(); err != nil {
			return err
		}
	}
	return nil
}
