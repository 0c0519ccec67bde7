package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/policy"
)

// Request is a SEND that a function of HandleFunc carries out. It belongs to that function until it
// returns.
type Request struct {
	Frame
	Vars map[string]string // what the variables of the pattern stand for

	replies, publish []bus.Envelope
}

// Reply answers the sender's session, and no other of the same member. destination is named as the
// session subscribes to it, such as "/session/queue/answers". The reply goes out once the function has
// returned nil, and does not use the bus.
func (r *Request) Reply(destination string, body []byte, headers ...bus.Header) {
	r.replies = append(r.replies, bus.Envelope{Destination: destination, Body: bytes.Clone(body), Headers: travelling(headers)})
}

// Publish sends a message to all subscribers of destination, on all nodes, once the function has
// returned nil. "/member/42/queue/x" is what member 42 calls "/member/queue/x" (see destination.Inbox).
// The rules are not checked. Only the gateway may publish presence: a function that publishes or replies
// below that prefix counts as failed. If the SEND asks for a RECEIPT, it is sent once the bus has
// everything that is published; in a transaction it waits for COMMIT.
func (r *Request) Publish(destination string, body []byte, headers ...bus.Header) {
	r.publish = append(r.publish, bus.Envelope{Destination: destination, Body: bytes.Clone(body), Headers: travelling(headers)})
}

// travelling leaves out what stays in the gateway, whoever has put it there.
func travelling(headers []bus.Header) []bus.Header {
	return slices.DeleteFunc(slices.Clone(headers), func(h bus.Header) bool { return !policy.Travels(h.Name, []byte(h.Value)) })
}

// checkPresence returns an error where the function says who is present.
func (r *Request) checkPresence(rules *policy.Catalogue) error {
	for _, e := range slices.Concat(r.publish, r.replies) {
		if rules.IsPresence(e.Destination) || destination.IsUnder(e.Destination, router.PresenceOnBus) {
			return fmt.Errorf("a message to %.200q: the gateway alone tells who is present", e.Destination)
		}
	}
	return nil
}

// handler is a function for SENDs to some destinations.
type handler struct {
	pattern string
	match   destination.Matcher // made of pattern by checkHandlers
	fn      func(context.Context, *Request) error
}

// HandleFunc has fn carry out SENDs to destinations under the application prefix, in place of a route.
// In a pattern such as "/app/rpc/{name}", {name} stands for one segment. Handlers are tried in the order
// of the options, before the routes. The rules are not checked, and the limits of channels don't count
// these SENDs: fn sees in Who for whom the frame acts. Its result means the same as an Interceptor's,
// and nil means done. It may block as an Interceptor may; what it then publishes goes out even if the
// sender's token has expired meanwhile.
func HandleFunc(pattern string, fn func(ctx context.Context, r *Request) error) Option {
	return func(s *settings) { s.handlers = append(s.handlers, handler{pattern: pattern, fn: fn}) }
}

// checkHandlers compiles the patterns of HandleFunc.
func (s *settings) checkHandlers(rules *policy.Catalogue) (err error) {
	for i := range s.handlers {
		h := &s.handlers[i]
		if h.match, err = destination.NewMatcher(h.pattern); err == nil && !rules.IsApp(h.pattern) {
			err = errors.New("it is not under the application prefix")
		}
		if err != nil {
			return fmt.Errorf("gateway: HandleFunc(%q): %w", h.pattern, err)
		}
	}
	return nil
}

// handler finds the function for a SEND; nil if there are none at all. rules are those that are in force.
func (s *settings) handler(rules func() *policy.Catalogue) func(destination string) session.Handler {
	if len(s.handlers) == 0 {
		return nil
	}
	return func(destination string) session.Handler {
		for i := range s.handlers {
			h := &s.handlers[i]
			if b, ok := h.match.Match(destination); ok {
				return func(ctx context.Context, in *session.Inspection) session.Reaction {
					return s.handle(ctx, h, h.match.Variables(&b), rules, in)
				}
			}
		}
		return nil
	}
}

func (s *settings) handle(ctx context.Context, h *handler, vars map[string]string, rules func() *policy.Catalogue, in *session.Inspection) session.Reaction {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	r := &Request{Frame: *newFrame(in), Vars: vars}
	err := protect(func() error { return h.fn(ctx, r) })
	if err == nil {
		err = r.checkPresence(rules())
	}
	if err != nil {
		return session.Reaction{Outcome: s.outcome(err, "handler", in)}
	}
	return session.Reaction{Replies: r.replies, Publish: r.publish}
}
