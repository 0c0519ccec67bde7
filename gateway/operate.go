package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// ErrNotRunning reports that Run does not run, so that there is no session to ask for.
var ErrNotRunning = errors.New("gateway: the node does not run")

// Kick says how sessions are ended.
type Kick struct {
	// Reason is for the client, in the message header of its ERROR: a line of at most 200 bytes, default that of Code.
	Reason string `json:"reason,omitempty"`

	// Code is for its programs, in the error-code header; default policy.CodeKicked. Those that are not of
	// policy.Codes are the caller's own.
	Code policy.Code `json:"code,omitempty"`
}

// Live returns what the node knows of those of the given sessions that it has, in no order. It waits
// for every loop, until ctx ends: then it returns what it has, and ctx's error. It must not be called
// on a loop, where a Registry is.
func (g *Gateway) Live(ctx context.Context, ids []registry.SessionID) ([]registry.Live, error) {
	e := g.engine.Load()
	if e == nil {
		return nil, ErrNotRunning
	}
	shares := e.share(ids)
	return loop.Gather(ctx, e.loops, func(i int, tell func([]registry.Live)) { e.hosts[i].Live(ctx, shares[i], tell) })
}

// Subscribers returns the sessions with a subscription to that destination, or to anything that a pattern
// matches, such as the pattern itself, each once, in the order of their ids. It waits as Live does.
func (g *Gateway) Subscribers(ctx context.Context, destination string) ([]registry.SessionID, error) {
	e := g.engine.Load()
	if e == nil {
		return nil, ErrNotRunning
	}
	ids, err := loop.Gather(ctx, e.loops, func(i int, tell func([]registry.SessionID)) { e.hosts[i].Subscribers(ctx, destination, tell) })
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// Kick ends sessions: each client gets an ERROR with the reason, behind what waits for it, and its
// connection closes. Open transactions are gone, and so is what DISCONNECT still waits for. It
// returns those that the node had, in no order; of the others it knows nothing any more. It waits as
// Live does: when ctx ends before all is done, more may be ended than it returns, and some not.
func (g *Gateway) Kick(ctx context.Context, ids []registry.SessionID, k Kick) (kicked []registry.SessionID, err error) {
	why, err := k.explain()
	if err != nil {
		return nil, err
	}
	e := g.engine.Load()
	if e == nil {
		return nil, ErrNotRunning
	}
	shares := e.share(ids)
	kicked, err = loop.Gather(ctx, e.loops, func(i int, tell func([]registry.SessionID)) { e.hosts[i].Kick(ctx, shares[i], why, tell) })
	g.set.host.Log.Debug("ended sessions", "sessions", len(kicked), "code", why.Code, "reason", why.Message)
	return kicked, err
}

// maxReason is how many bytes of a reason fit what people read.
const maxReason = 200

// CheckReason returns why reason can't be told to a client, nil when it can. An empty one can: it means
// that of the code. The rule keeps it fit for the header of an ERROR and for a line of a log.
func CheckReason(reason string) error {
	switch {
	case len(reason) > maxReason:
		return fmt.Errorf("it has %d bytes: want %d at most", len(reason), maxReason)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("it holds what can't be shown: want one line of text")
	case reason != "" && strings.TrimSpace(reason) == "":
		return errors.New("it is blank: say what the clients shall read, or leave it out")
	}
	return nil
}

// Check returns why sessions can't be ended like this, nil when they can.
func (k Kick) Check() error {
	_, err := k.explain()
	return err
}

// explain fills in what k leaves out.
func (k Kick) explain() (policy.Explanation, error) {
	code := cmp.Or(k.Code, policy.CodeKicked)
	why, known := policy.Explain(code)
	if !known {
		why = policy.Explanation{Code: code, Word: "kicked"}
	}
	why.Message = cmp.Or(k.Reason, why.Message)
	switch err := CheckReason(k.Reason); {
	case err != nil:
		return why, fmt.Errorf("gateway: the reason can't be told: %w", err)
	case code < 0:
		return why, fmt.Errorf("gateway: %d is no code for a client: want a positive number", code)
	case why.Message == "":
		return why, fmt.Errorf("gateway: code %d has no message of its own: give a reason", code)
	}
	return why, nil
}

// share sorts sessions by the loop that has them.
func (e *engine) share(ids []registry.SessionID) [][]registry.SessionID {
	shares := make([][]registry.SessionID, len(e.loops))
	for _, id := range ids {
		i := int(uint64(id) % uint64(len(e.loops)))
		shares[i] = append(shares[i], id)
	}
	return shares
}

// Block keeps members, named as JSON (42 or "bob"), from having sessions until the given times; what
// was said before is forgotten. A blocked member's CONNECT, or login, is answered with an ERROR, code
// policy.CodeBlocked; a frame by its token in a session of another member is refused with that code.
// Sessions that the members have stay, and may renew their tokens, see Kick. It may be called from
// any goroutine, at any time.
func (g *Gateway) Block(until map[string]time.Time) { g.set.host.Blocks.Set(until, time.Now()) }

// Drain makes Run drain and return, as the end of its context does. It returns at once, and does
// nothing when Run does not run.
func (g *Gateway) Drain() {
	if e := g.engine.Load(); e != nil {
		g.front.Stop()
		e.leave()
	}
}

// Draining reports whether the node lets nobody in because it stops.
func (g *Gateway) Draining() bool { return g.front.Stopping() }
