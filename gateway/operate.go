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

	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// ErrNotRunning reports that Run is not running, so there are no sessions.
var ErrNotRunning = errors.New("gateway: the node does not run")

// Kick says how sessions are ended.
type Kick struct {
	// Reason is for the client, in the message header of its ERROR: a line of at most 200 bytes; default that of Code.
	Reason string `json:"reason,omitempty"`

	// Code is for programs, in the error-code header; default policy.CodeKicked. Codes that are not in
	// policy.Codes are the caller's own.
	Code policy.Code `json:"code,omitempty"`
}

// Live returns the state of those of the given sessions that this node has, in no order. It waits for
// every loop; if ctx ends first it returns what it has, and ctx's error. It must not be called on a
// loop, where the methods of a Registry run.
func (g *Gateway) Live(ctx context.Context, ids []registry.SessionID) ([]registry.Live, error) {
	return gather(ctx, g, ids, func(h *session.Host, share []registry.SessionID, tell func([]registry.Live)) {
		h.Live(ctx, share, tell)
	})
}

// gather asks the loops, each of which gets those of the sessions that it has.
func gather[T any](ctx context.Context, g *Gateway, ids []registry.SessionID, ask func(h *session.Host, share []registry.SessionID, tell func([]T))) ([]T, error) {
	e := g.engine.Load()
	if e == nil {
		return nil, ErrNotRunning
	}
	shares := make([][]registry.SessionID, len(e.loops))
	for _, id := range ids {
		i := int(uint64(id) % uint64(len(e.loops)))
		shares[i] = append(shares[i], id)
	}
	return loop.Gather(ctx, e.loops, func(i int, tell func([]T)) { ask(e.hosts[i], shares[i], tell) })
}

// Subscribers returns the sessions with a subscription to a destination or, given a pattern, to anything
// that it matches, such as the pattern itself; each once, in the order of their ids. It waits as Live does.
func (g *Gateway) Subscribers(ctx context.Context, destination string) ([]registry.SessionID, error) {
	ids, err := gather(ctx, g, nil, func(h *session.Host, _ []registry.SessionID, tell func([]registry.SessionID)) {
		h.Subscribers(ctx, destination, tell)
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// MaxDestinations is how many destinations one call of Destinations returns.
const MaxDestinations = 1000

// Destinations returns the destinations and patterns that clients of this node have subscribed to, in the order of
// their names. A page begins behind the name in after, and most, 1 to MaxDestinations, bounds its length. next is the
// after of the next page, empty if there are no more. With match, a pattern or a destination, it returns only those
// that match stands for, and a pattern only if match covers all of it. Destinations below the session prefix, which
// are each session's own, are left out, and so are names that are not UTF-8. Names come from the router's index, which
// costs the loops nothing; the loops count the subscribers, and it waits for them as Live does. For rooms where
// somebody is present it says how many are.
func (g *Gateway) Destinations(ctx context.Context, match, after string, most int) (page []registry.Destination, next string, err error) {
	matcher, err := matchOf(match)
	if err != nil {
		return nil, "", fmt.Errorf("gateway: match: %w", err)
	}
	if most < 1 || most > MaxDestinations {
		return nil, "", fmt.Errorf("gateway: %d destinations: want 1 to %d", most, MaxDestinations)
	}
	e := g.engine.Load()
	if e == nil {
		return nil, "", ErrNotRunning
	}
	names, more := e.router.Names(ctx, matcher, after, most)
	counts, err := loop.Gather(ctx, e.loops, func(i int, tell func([][]int)) {
		e.hosts[i].Counts(ctx, names, func(counts []int) { tell([][]int{counts}) })
	})
	for i, name := range names {
		n := 0
		for _, ofLoop := range counts {
			n += ofLoop[i]
		}
		if n > 0 {
			page = append(page, registry.Destination{Name: name, Pattern: destination.IsPattern(name), Subscribers: n})
		}
	}
	if more && len(names) > 0 {
		next = names[len(names)-1]
	}
	if present, err := g.Present(ctx, names, true); err == nil { // a node that does not know it tells the rest
		addPresent(page, present)
	}
	return page, next, err
}

// addPresent says of the destinations that are rooms how many are there.
func addPresent(page []registry.Destination, present []registry.Present) {
	rooms := make(map[string]registry.Present, len(present))
	for _, p := range present {
		rooms[p.Destination] = p
	}
	for i := range page {
		if p, ok := rooms[page[i].Name]; ok {
			page[i].Members, page[i].Anonymous = &p.Count, &p.Anonymous
		}
	}
}

// CheckMatch returns why Destinations does not accept a match, nil if it does.
func CheckMatch(match string) error {
	_, err := matchOf(match)
	return err
}

// matchOf reads what clients may subscribe by; nil stands for everything.
func matchOf(match string) (*destination.Matcher, error) {
	if match == "" {
		return nil, nil
	}
	if _, err := destination.Parse(match); err != nil {
		return nil, err
	}
	m, err := destination.NewMatcher(match)
	return &m, err
}

// Kick ends sessions: each client gets an ERROR with the reason, after what already waits for it, and
// its connection closes. Open transactions are lost, and so is what a DISCONNECT still waits for. Kick
// returns the sessions that the node had, in no order; it knows nothing of the others any more. It waits
// as Live does: if ctx ends first, more sessions may end than it returns, and some may not.
func (g *Gateway) Kick(ctx context.Context, ids []registry.SessionID, k Kick) (kicked []registry.SessionID, err error) {
	why, err := k.explain()
	if err != nil {
		return nil, err
	}
	kicked, err = gather(ctx, g, ids, func(h *session.Host, share []registry.SessionID, tell func([]registry.SessionID)) {
		h.Kick(ctx, share, why, tell)
	})
	g.set.host.Log.Debug("ended sessions", "sessions", len(kicked), "code", why.Code, "reason", why.Message)
	return kicked, err
}

// EndSubscriptions ends the subscriptions of sessions to exactly this destination or pattern. Each client is told the
// reason, by default that an operator did it, on its error destination, with code policy.CodeEnded. It may subscribe
// again if the rules let it. EndSubscriptions returns the sessions that had such a subscription, in no order, and
// waits as Kick does.
func (g *Gateway) EndSubscriptions(ctx context.Context, ids []registry.SessionID, destination, reason string) ([]registry.SessionID, error) {
	if err := CheckReason(reason); err != nil {
		return nil, fmt.Errorf("gateway: the reason can't be told: %w", err)
	}
	why, _ := policy.Explain(policy.CodeEnded)
	why.Message = cmp.Or(reason, "The subscription was ended by an operator")
	why.Retryable = false // or programs would subscribe again at once
	ended, err := gather(ctx, g, ids, func(h *session.Host, share []registry.SessionID, tell func([]registry.SessionID)) {
		h.EndSubscriptions(ctx, share, destination, why, tell)
	})
	g.set.host.Log.Debug("ended subscriptions", "sessions", len(ended), "reason", why.Message)
	return ended, err
}

// maxReason is how many bytes of a reason fit what people read.
const maxReason = 200

// CheckReason returns why reason can't be told to a client, nil if it can. An empty one can: it means
// that of the code. The rule keeps reasons fit for the header of an ERROR and for a line of a log.
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

// Check returns why sessions can't be ended with k, nil if they can.
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

// Block keeps members, named as JSON (42 or "bob"), from starting sessions until the given times, and
// replaces all earlier blocks. A blocked member's CONNECT, or login, is answered with an ERROR, code
// policy.CodeBlocked; a frame with its token in a session of another member is refused with that code.
// Sessions that the members already have stay, and may renew their tokens; see Kick. It may be called
// from any goroutine, at any time.
func (g *Gateway) Block(until map[string]time.Time) { g.set.host.Blocks.Set(until, time.Now()) }

// Drain makes Run drain and return, as the end of its context does. It returns at once, and does
// nothing if Run is not running.
func (g *Gateway) Drain() {
	if e := g.engine.Load(); e != nil {
		g.front.Stop()
		e.leave()
	}
}

// Draining reports whether the node refuses new connections because it is stopping.
func (g *Gateway) Draining() bool { return g.front.Stopping() }
