package policy

import (
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
)

// Target is where an allowed SEND goes.
type Target struct {
	Rule        string    // that allowed it, such as "routes[0]"
	Destination string    // empty if it goes to a backend only
	Session     bool      // to the sender's own session, not to all subscribers
	From        bool      // subscribers see who sent it
	Rewrite     *Rewrite  // how the message is changed first; nil if it goes unchanged
	Contents    *Contents // what its body must be after that; nil for anything
	Quota       *Quota    // what the session may send to the channel of Destination; nil for anything

	// To is the backend that it goes to as well; zero for none. Its Key is empty if the sender is the key: the member, by
	// its name in destinations, or the session if nobody is logged in.
	To bus.Target
}

// JudgeSubscribe says whether a session may subscribe to the destination, which may be a pattern,
// and whether a subscriber by pattern may receive what is sent to it. It runs on an event loop, so the
// cost of an expression is bounded. It keeps nothing of r.
func (c *Catalogue) JudgeSubscribe(r *Request) (Grant, *Refusal) {
	if r.Destination == c.errorDest && c.errorDest != "" {
		return Grant{Destination: r.Destination}, nil
	}
	if c.IsMember(r.Destination) {
		return c.subscribeMember(r)
	}
	if c.IsPresence(r.Destination) {
		return c.subscribePresence(r)
	}
	if destination.IsPattern(r.Destination) {
		return c.judgePattern(r)
	}
	ru, b := c.channelOf(r.Destination)
	if ru == nil {
		return Grant{}, Refuse(CodeNoRule)
	}
	given, refusal := ru.grant(r, &b)
	if refusal == nil && c.mayBeRoom(r.Destination) {
		given.Presence = ru.presence
	}
	return given, refusal
}

// channelOf returns the channel that decides about a destination that is no member's, nil for none, and what its variables are bound to.
func (c *Catalogue) channelOf(name string) (*rule, destination.Bindings) {
	return first(c.channels, name)
}

// first returns the first of the rules that matches a destination, nil for none, and what its variables are bound to.
func first(rules []rule, name string) (*rule, destination.Bindings) {
	for i := range rules {
		if b, ok := rules[i].match.Match(name); ok {
			return &rules[i], b
		}
	}
	return nil, destination.Bindings{}
}

// judgePattern says whether a session may subscribe by pattern. The first rule decides that is about
// every destination that the pattern means; what the pattern leaves open is no variable's value, so
// an expression that asks for it fails. Individual messages are never received by pattern.
func (c *Catalogue) judgePattern(r *Request) (Grant, *Refusal) {
	ru, b, err := c.patternRule(r.Destination)
	switch {
	case err != nil:
		return Grant{}, refusedBy("", CodePattern, err)
	case ru == nil:
		return Grant{}, Refuse(CodePattern)
	case !ru.patterns || c.IsSession(r.Destination):
		return Grant{}, refusedBy(ru.path, CodePattern, nil)
	}
	return ru.grant(r, &b)
}

// patternRule returns the channel that decides about a subscription by pattern, nil for none, and what its variables are bound to.
func (c *Catalogue) patternRule(name string) (*rule, destination.Bindings, error) {
	p, err := destination.Parse(name)
	if err != nil {
		return nil, destination.Bindings{}, err
	}
	for i := range c.channels {
		if b, ok := c.channels[i].match.Covers(p); ok {
			return &c.channels[i], b, nil
		}
	}
	return nil, destination.Bindings{}, nil
}

// grant asks the rule for a SUBSCRIBE that it is about.
func (ru *rule) grant(r *Request, b *destination.Bindings) (Grant, *Refusal) {
	if refusal := ru.judge(&ru.subscribe, r, b); refusal != nil {
		return Grant{}, refusal
	}
	return Grant{Rule: ru.path, Destination: r.Destination, Login: ru.subscribe.login()}, nil
}

// JudgeSend says where a SEND to the destination goes, or why it may not. It runs on an event loop.
// A Rewrite keeps the claims of r.
func (c *Catalogue) JudgeSend(r *Request) (Target, *Refusal) {
	if c.IsApp(r.Destination) {
		return c.routed(r)
	}
	if c.IsMember(r.Destination) {
		return c.sendMember(r)
	}
	if c.IsPresence(r.Destination) {
		return Target{}, Refuse(CodeNoRule)
	}
	ru, b := c.channelOf(r.Destination)
	if ru == nil {
		return Target{}, Refuse(CodeNoRule)
	}
	if refusal := ru.judge(&ru.send, r, &b); refusal != nil {
		return Target{}, refusal
	}
	t := Target{Rule: ru.path, Destination: r.Destination, Session: c.IsSession(r.Destination)}
	t.heed(ru)
	return t, nil
}

func (c *Catalogue) routed(r *Request) (Target, *Refusal) {
	ru, b := first(c.routes, r.Destination)
	if ru == nil {
		return Target{}, Refuse(CodeNoRule)
	}
	if refusal := ru.judge(&ru.send, r, &b); refusal != nil {
		return Target{}, refusal
	}
	backend, refusal := ru.target(r, &b)
	if refusal != nil {
		return Target{}, refusal
	}
	target := Target{Rule: ru.path, To: backend, Rewrite: ru.rewrite(r, &b)}
	if !ru.publishes {
		return target, nil
	}
	to := ru.publish.Expand(&b)
	if refusal := ru.reaches(to, &c.prefixes); refusal != nil {
		return Target{}, refusal
	}
	target.Destination, target.Session = to, c.IsSession(to)
	target.heed(c.demanding(to))
	return target, nil
}

// LoginRule returns the path of the first expression that asks who is logged in, such as
// "channels[2].subscribe"; "" if none does. Without an issuer of tokens nobody is logged in.
func (c *Catalogue) LoginRule() string {
	for _, ru := range c.rules() {
		for _, e := range []*expression{ru.subscribe.expression, ru.send.expression, ru.body, ru.headers, ru.to.expression()} {
			if e.asksLogin() {
				return e.path
			}
		}
	}
	return ""
}

// IsApp reports whether name is a destination of the application, which is judged by routes, not channels.
func (c *Catalogue) IsApp(name string) bool { return destination.IsUnder(name, c.prefixes.App) }

// IsSession reports whether name is a destination of the client's own session.
func (c *Catalogue) IsSession(name string) bool { return destination.IsUnder(name, c.prefixes.User) }

// SessionDestination is the name under which a session subscribes to what individual messages
// call "/queue/x" or "/session/queue/x".
func (c *Catalogue) SessionDestination(destination string) string {
	if c.IsSession(destination) {
		return destination
	}
	return c.prefixes.User + destination
}

// ErrorDestination is where refusals go.
func (c *Catalogue) ErrorDestination() string { return c.errorDest }
