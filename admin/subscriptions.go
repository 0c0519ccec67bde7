package admin

import (
	"context"
	"errors"
	"iter"

	"github.com/stompgw/stompgw/gateway"
)

// Ending says which subscriptions are ended.
type Ending struct {
	Destination string // exactly as subscribed to: a destination, or the text of a pattern
	Reason      string // for the clients, as gateway.CheckReason takes it; by default it says that an operator did it
	Whom        string // says whose sessions those are, for the logs of the nodes
}

// What became of a session whose subscription was to be ended, besides Silent.
const (
	Ended         Outcome = "ended"
	NotSubscribed Outcome = "not subscribed" // or already gone
)

// ErrDestination reports a destination that nobody can have subscribed to: an empty or too long one.
var ErrDestination = errors.New("want a destination of 1 to 8192 bytes")

// EndSubscriptions ends the subscriptions that the sessions of a walk have to one destination, and yields a result for each session
// as they come. The clients are told why on their error destination, with code policy.CodeEnded, and may subscribe again unless
// rules, or a kick with a block, prevent it. Silent nodes and errors are as with Kick, plus ErrDestination.
func (c *Cluster) EndSubscriptions(ctx context.Context, sessions iter.Seq2[Session, error], e Ending) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		if e.Destination == "" || len(e.Destination) > maxDestination {
			yield(Result{}, ErrDestination)
			return
		}
		k := Kick{Kick: gateway.Kick{Reason: e.Reason}, Whom: e.Whom}
		w := c.newKicker(k, request{Op: opEnd, Destination: e.Destination, Kick: k.Kick})
		w.did, w.missed = Ended, NotSubscribed
		w.run(ctx, sessions, yield)
	}
}
