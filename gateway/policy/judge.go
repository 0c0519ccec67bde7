package policy

// Target is where a SEND that may pass goes.
type Target struct {
	Destination string
	Session     bool     // to the sender's own session, not to all subscribers
	Rewrite     *Rewrite // what becomes of the message before; nil when it goes as it came
}

// JudgeSubscribe says whether a session may subscribe to destination; nil means yes.
func (c *Catalogue) JudgeSubscribe(destination string) *Refusal {
	if destination == c.errorDest {
		return nil
	}
	if IsPattern(destination) {
		return Refuse(CodePattern)
	}
	for i := range c.channels {
		if _, ok := c.channels[i].match.match(destination); ok {
			if c.channels[i].subscribe {
				return nil
			}
			return Refuse(CodeNotAllowed)
		}
	}
	return Refuse(CodeNoRule)
}

// JudgeSend says where a SEND to destination goes, or why it may not.
func (c *Catalogue) JudgeSend(destination string) (Target, *Refusal) {
	if under(destination, c.prefixes.App) {
		return c.routed(destination)
	}
	for i := range c.channels {
		if _, ok := c.channels[i].match.match(destination); ok {
			if c.channels[i].send {
				return Target{Destination: destination, Session: c.IsSession(destination)}, nil
			}
			return Target{}, Refuse(CodeNotAllowed)
		}
	}
	return Target{}, Refuse(CodeNoRule)
}

func (c *Catalogue) routed(destination string) (Target, *Refusal) {
	for i := range c.routes {
		if b, ok := c.routes[i].match.match(destination); ok {
			if !c.routes[i].allow {
				return Target{}, Refuse(CodeNotAllowed)
			}
			to := c.routes[i].publish.expand(b)
			return Target{to, c.IsSession(to), c.routes[i].rewrite(b, destination)}, nil
		}
	}
	return Target{}, Refuse(CodeNoRule)
}

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
