package policy

import (
	"fmt"
	"strings"

	"github.com/stompgw/stompgw/gateway/destination"
)

// A member's destination has two names. Clients say /member/queue/x and mean their own; on the bus, for
// the rules and for who sends to it, it is /member/7/queue/x, with the member's inbox (see
// destination.Inbox). Only a rule that says the prefix itself is about any of them, so one that was
// written for everything lets nobody in.

// IsMember reports whether name is a destination of members, or their prefix.
func (c *Catalogue) IsMember(name string) bool { return c.prefixes.isMember(name) }

func (p *Prefixes) isMember(name string) bool {
	return p.Member != "" && destination.IsUnder(name, p.Member)
}

// splitMember returns the inbox in a destination of a member, and what stands behind it.
func (p *Prefixes) splitMember(name string) (inbox, rest string) {
	inbox = strings.TrimPrefix(name[len(p.Member):], "/")
	if end := strings.IndexByte(inbox, '/'); end >= 0 {
		return inbox[:end], inbox[end:]
	}
	return inbox, ""
}

// MemberDestination is the name on the bus of what the member with that inbox calls "/member/queue/x".
func (c *Catalogue) MemberDestination(inbox, name string) string {
	prefix := c.prefixes.Member
	return prefix + "/" + inbox + name[len(prefix):]
}

// ClientDestination is what subscribers call a destination of the bus: a member's has no inbox then, and
// all others have the same name for everybody.
func (c *Catalogue) ClientDestination(name string) string {
	if !c.IsMember(name) {
		return name
	}
	_, rest := c.prefixes.splitMember(name)
	return c.prefixes.Member + rest
}

// Inbox returns which member owns a destination of members, by its name on the bus. An error says why
// nobody does, and how it is written right if that is known.
func (c *Catalogue) Inbox(name string) (destination.Inbox, error) { return c.prefixes.inbox(name) }

func (p *Prefixes) inbox(name string) (destination.Inbox, error) {
	if !p.isMember(name) {
		return destination.Inbox{}, fmt.Errorf("%q is no destination of members", name)
	}
	segment, _ := p.splitMember(name)
	if segment == "" {
		return destination.Inbox{}, fmt.Errorf("%q names no member: write it like %s/42/queue/x", name, p.Member)
	}
	return destination.ParseInbox(segment)
}

// reviewMember says what is wrong with what a rule says, if that is below the prefix of members: a text
// in the place of the inbox that is nobody's.
func (p *Prefixes) reviewMember(said string) error {
	if !p.isMember(said) {
		return nil
	}
	if segment, _ := p.splitMember(said); destination.IsPattern(segment) {
		return nil // any member's
	}
	_, err := p.inbox(said)
	return err
}

// memberRule returns the channel that decides about a member's destination, nil for none, and what its
// variables are bound to: the one in the place of the inbox to the member's id.
func (c *Catalogue) memberRule(name string, of destination.Inbox) (*rule, destination.Bindings) {
	for i := range c.channels {
		ru := &c.channels[i]
		if !ru.members {
			continue
		}
		if b, ok := ru.match.Match(name); ok {
			if at := ru.match.VariableAt(strings.Count(c.prefixes.Member, "/")); at >= 0 {
				b[at] = of.ID
			}
			return ru, b
		}
	}
	return nil, destination.Bindings{}
}

// Why nobody, or somebody, has no destinations of a member.
const (
	errMemberPattern = reason("nobody receives by pattern what is a member's")
	errNoInbox       = reason("the member's issuer has no name of its own (auth.issuers[].name), so its members have no destinations")
)

// subscribeMember is JudgeSubscribe for what a client says below the prefix of members: whatever that is, it
// means one of its own.
func (c *Catalogue) subscribeMember(r *Request) (Grant, *Refusal) {
	switch {
	case destination.IsPattern(r.Destination):
		return Grant{}, refusedBy("", CodePattern, errMemberPattern)
	case r.Inbox == "" && r.Member == "":
		return Grant{}, Refuse(CodeLogin)
	case r.Inbox == "":
		return Grant{}, refusedBy("", CodeNotAllowed, errNoInbox)
	}
	own := *r
	own.Destination = c.MemberDestination(r.Inbox, r.Destination)
	of, err := c.Inbox(own.Destination)
	if err != nil {
		return Grant{}, refusedBy("", CodeDestination, err)
	}
	ru, b := c.memberRule(own.Destination, of)
	if ru == nil {
		return Grant{}, Refuse(CodeNoRule)
	}
	given, refusal := ru.grant(&own, &b)
	given.Login = true // whatever the rule asks
	return given, refusal
}

// sendMember is JudgeSend for a destination of members, by its name on the bus.
func (c *Catalogue) sendMember(r *Request) (Target, *Refusal) {
	of, err := c.Inbox(r.Destination)
	if err != nil {
		return Target{}, refusedBy("", CodeDestination, err)
	}
	ru, b := c.memberRule(r.Destination, of)
	if ru == nil {
		return Target{}, Refuse(CodeNoRule)
	}
	if refusal := ru.judge(&ru.send, r, &b); refusal != nil {
		return Target{}, refusal
	}
	t := Target{Rule: ru.path, Destination: r.Destination}
	t.heed(ru)
	return t, nil
}

// reaches returns the refusal of what a route makes of a SEND, nil where that can be published. A route that
// reaches members says so in its publish, and a member has to be named.
func (ru *rule) reaches(to string, p *Prefixes) *Refusal {
	switch {
	case p.isPresence(to):
		return refusedBy(ru.path, CodeDestination, errGatewayAlone)
	case !p.isMember(to):
		return nil
	}
	if !ru.toMembers {
		return refusedBy(ru.path, CodeDestination, reason("its publish does not begin with the prefix of members, as what it has made does"))
	}
	if _, err := p.inbox(to); err != nil {
		return refusedBy(ru.path, CodeDestination, err)
	}
	return nil
}
