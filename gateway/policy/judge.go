package policy

import "github.com/stompgw/stompgw/gateway/destination"

// Target is where a SEND that may pass goes.
type Target struct {
	Rule        string // which said yes, such as "routes[0]"
	Destination string
	Session     bool     // to the sender's own session, not to all subscribers
	Rewrite     *Rewrite // what becomes of the message before; nil when it goes as it came
}

// JudgeSubscribe says whether a session may subscribe to the destination, which may be a pattern,
// and whether a subscriber by pattern may receive what is sent to it. It runs on an event loop: what
// an expression may cost is bounded. It keeps nothing of r.
func (c *Catalogue) JudgeSubscribe(r *Request) (Grant, *Refusal) {
	if r.Destination == c.errorDest && c.errorDest != "" {
		return Grant{}, nil
	}
	if destination.IsPattern(r.Destination) {
		return c.judgePattern(r)
	}
	for i := range c.channels {
		if b, ok := c.channels[i].match.Match(r.Destination); ok {
			return c.channels[i].judge(r, &b)
		}
	}
	return Grant{}, Refuse(CodeNoRule)
}

// judgePattern says whether a session may subscribe by pattern. The first rule decides that is about
// every destination that the pattern means; what the pattern leaves open is no variable's value, so
// an expression that asks for it fails. Individual messages are never received by pattern.
func (c *Catalogue) judgePattern(r *Request) (Grant, *Refusal) {
	p, err := destination.Parse(r.Destination)
	if err != nil {
		return Grant{}, refusedBy("", CodePattern, err)
	}
	for i := range c.channels {
		ch := &c.channels[i]
		b, ok := ch.match.Covers(p)
		switch {
		case !ok:
			continue
		case !ch.patterns || c.IsSession(r.Destination):
			return Grant{}, refusedBy(ch.path, CodePattern, nil)
		}
		return ch.judge(r, &b)
	}
	return Grant{}, Refuse(CodePattern)
}

// judge asks the rule for a SUBSCRIBE that it is about.
func (ch *channel) judge(r *Request, b *destination.Bindings) (Grant, *Refusal) {
	if refusal := ch.subscribe.judge(r, &ch.match, b, ch.path); refusal != nil {
		return Grant{}, refusal
	}
	return Grant{Rule: ch.path, Login: ch.subscribe.login()}, nil
}

// JudgeSend says where a SEND to the destination goes, or why it may not. It runs on an event loop.
// A Rewrite keeps the claims of r.
func (c *Catalogue) JudgeSend(r *Request) (Target, *Refusal) {
	if under(r.Destination, c.prefixes.App) {
		return c.routed(r)
	}
	for i := range c.channels {
		ch := &c.channels[i]
		b, ok := ch.match.Match(r.Destination)
		if !ok {
			continue
		}
		if refusal := ch.send.judge(r, &ch.match, &b, ch.path); refusal != nil {
			return Target{}, refusal
		}
		return Target{Rule: ch.path, Destination: r.Destination, Session: c.IsSession(r.Destination)}, nil
	}
	return Target{}, Refuse(CodeNoRule)
}

func (c *Catalogue) routed(r *Request) (Target, *Refusal) {
	for i := range c.routes {
		rt := &c.routes[i]
		b, ok := rt.match.Match(r.Destination)
		if !ok {
			continue
		}
		if refusal := rt.allow.judge(r, &rt.match, &b, rt.path); refusal != nil {
			return Target{}, refusal
		}
		to := rt.publish.Expand(&b)
		return Target{Rule: rt.path, Destination: to, Session: c.IsSession(to), Rewrite: rt.rewrite(r, &b)}, nil
	}
	return Target{}, Refuse(CodeNoRule)
}

// LoginRule returns the path of the first expression that asks who is logged in, which without an
// issuer of tokens nobody is: such as "channels[2].subscribe", and "" if none does.
func (c *Catalogue) LoginRule() string {
	var all []*expression
	for i := range c.channels {
		all = append(all, c.channels[i].subscribe.expression, c.channels[i].send.expression)
	}
	for i := range c.routes {
		all = append(all, c.routes[i].allow.expression, c.routes[i].body, c.routes[i].headers)
	}
	for _, e := range all {
		if e.asksLogin() {
			return e.path
		}
	}
	return ""
}

// IsApp reports whether destination is one of the application, which routes and not channels judge.
func (c *Catalogue) IsApp(destination string) bool { return under(destination, c.prefixes.App) }

// IsSession reports whether destination is one of the client's own session.
func (c *Catalogue) IsSession(destination string) bool { return under(destination, c.prefixes.User) }

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
