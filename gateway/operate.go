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

// Subscribers returns the sessions with a subscription to that destination, or to anything that a pattern
// matches, such as the pattern itself, each once, in the order of their ids. It waits as Live does.
func (g *Gateway) Subscribers(ctx context.Context, destination string) ([]registry.SessionID, error) {
	ids, err := gather(ctx, g, nil, func(h *session.Host, _ []registry.SessionID, tell func([]registry.SessionID)) {
		h.Subscribers(ctx, destination, tell)
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// MaxDestinations is how many destinations one call of Destinations returns.
const MaxDestinations = 1000

// Destinations returns the first destinations behind after, and patterns, that clients of this node have subscribed to, in the
// order of their names, most of them at most, which is 1 to MaxDestinations; next is behind which there may be more, empty for no
// more. With match, which is a pattern or a destination, only those that it stands for: a pattern when it covers all of that. What
// is below the session prefix is each session's own, and not among them, nor is what is not UTF-8. They are read from the router's index, which costs
// the loops nothing, and counted by the loops, for which it waits as Live does. Of rooms where somebody is present it says how many are.
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

// CheckMatch returns why Destinations does not take a match, nil when it does.
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

// Kick ends sessions: each client gets an ERROR with the reason, behind what waits for it, and its
// connection closes. Open transactions are gone, and so is what DISCONNECT still waits for. It
// returns those that the node had, in no order; of the others it knows nothing any more. It waits as
// Live does: when ctx ends before all is done, more may be ended than it returns, and some not.
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

// EndSubscriptions ends the subscriptions of sessions to that very destination, or by that very pattern. Each client reads the
// reason, by default that an operator did it, on its error destination, with code policy.CodeEnded; it may subscribe again
// if the rules let it. It returns the sessions that had such a subscription, in no order, and waits as Kick does.
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
