package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/schema"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Message is what an operator or a backend publishes.
type Message struct {
	Destination string
	To
	Headers []bus.Header // including content-type; none is added
	Body    []byte
	Unheard bool // publish it even if no channel lets anybody subscribe, or its schema says no
}

// To says whom a message is for. Its zero value means all subscribers of the destination; otherwise the sessions get it
// as one of their own, below the session prefix.
type To struct {
	Session string // one session, as Cluster.Find takes it
	Member  string // each session of a member, as registry.ParseMember takes it
}

// Individual reports whether the message is only for certain sessions.
func (t To) Individual() bool { return t != To{} }

// Content types of bodies whose type nobody has stated.
const (
	TextType  = "text/plain;charset=UTF-8"
	BytesType = "application/octet-stream"
)

// ContentType returns the type of a body whose type nobody has stated.
func ContentType(body []byte) string {
	if utf8.Valid(body) {
		return TextType
	}
	return BytesType
}

// DestinationFault is why a message to a destination would reach nobody, without anybody being told: one of these, or
// what is wrong with a member's name in it.
type DestinationFault string

const (
	NoSlash    DestinationFault = "it does not begin with a slash"
	TooLong    DestinationFault = "it is longer than the 8192 bytes that a client can subscribe to"
	NoText     DestinationFault = "no client can subscribe to it: want UTF-8 text without control characters"
	IsPattern  DestinationFault = "it is a pattern: a message goes to one destination"
	ForRoutes  DestinationFault = "it is for clients to send to: publish to what subscribers receive"
	OneSession DestinationFault = "it is one session's own: say whose the message is, a session or a member"
	OfPresence DestinationFault = "it tells who is subscribed to another destination, which the gateway alone says"
	NoChannel  DestinationFault = "no channel names it, so nobody may subscribe to it"
)

// DestinationError reports a destination on which no client could receive a message.
type DestinationError struct {
	Destination string // as clients subscribe to it: that of an individual message is below the session prefix
	Fault       DestinationFault
}

func (e *DestinationError) Error() string {
	return fmt.Sprintf("destination %.200q: %s", policy.Discreet(e.Destination), e.Fault)
}

// SchemaError reports a body that does not fit the schema of its channel.
type SchemaError struct {
	Destination string // as clients subscribe to it
	*schema.Fault
}

func (e *SchemaError) Error() string {
	why := fmt.Sprintf("at %q, by %s", e.Pointer, e.Rule)
	if e.Rule == schema.RuleJSON {
		why = "it is not one JSON text"
	}
	return fmt.Sprintf("the body does not fit the schema of %.200q: %s", policy.Discreet(e.Destination), why)
}

// Check returns why m can't be published under these rules: a *DestinationError, a *SchemaError, or ErrHeader.
func (m *Message) Check(rules *policy.Catalogue) error {
	if fault := m.checkDestination(rules); fault != "" {
		return &DestinationError{m.Destination, fault}
	}
	name := m.heardAt(rules)
	if !m.Unheard && !rules.HasChannel(name) {
		return &DestinationError{name, NoChannel}
	}
	if err := checkHeaders(m.Headers); err != nil || m.Unheard {
		return err
	}
	if refusal := rules.Contents(name).Check(m.Body); refusal != nil {
		return &SchemaError{name, refusal.Fault}
	}
	return nil
}

// checkDestination looks at the form of the destination, and below which prefix it stands.
func (m *Message) checkDestination(rules *policy.Catalogue) DestinationFault {
	switch {
	case !strings.HasPrefix(m.Destination, "/"):
		return NoSlash
	case len(m.Destination) > maxDestination:
		return TooLong
	case !utf8.ValidString(m.Destination) || strings.ContainsFunc(m.Destination, unicode.IsControl):
		return NoText
	case destination.IsPattern(m.Destination):
		return IsPattern
	case rules.IsApp(m.Destination):
		return ForRoutes
	case rules.IsSession(m.Destination) && !m.Individual():
		return OneSession
	case rules.IsPresence(m.Destination) && !m.Individual():
		return OfPresence
	case rules.IsMember(m.Destination) && !m.Individual():
		if _, err := rules.Inbox(m.Destination); err != nil {
			return DestinationFault(err.Error())
		}
	}
	return ""
}

// heardAt is what clients subscribe to for the message.
func (m *Message) heardAt(rules *policy.Catalogue) string {
	if m.Individual() {
		return rules.SessionDestination(m.Destination)
	}
	return m.Destination
}

// ErrHeader reports a header that a message from an operator can't have.
var ErrHeader = errors.New("header not allowed")

// checkHeaders refuses what a MESSAGE says itself, what proves a sender, since that must not reach subscribers, and
// more than a frame may have.
func checkHeaders(headers []bus.Header) error {
	size, limits := 0, stomp.DefaultLimits()
	for _, h := range headers {
		switch {
		case h.Name == "":
			return fmt.Errorf("%w: it has no name", ErrHeader)
		case !utf8.ValidString(h.Name+h.Value) || strings.Contains(h.Name+h.Value, "\x00"):
			return fmt.Errorf("%w: no client can get one that is not UTF-8, or has a NUL", ErrHeader)
		case policy.IsReserved(strings.ToLower(h.Name)):
			return fmt.Errorf("%w: %s, which the gateway writes itself", ErrHeader, h.Name)
		case !policy.Travels(h.Name, []byte(h.Value)):
			return fmt.Errorf("%w: %.80s, which would show a secret to all subscribers", ErrHeader, policy.Discreet(h.Name))
		}
		size += len(h.Name) + len(h.Value)
	}
	if len(headers) > limits.Headers || size > limits.Head {
		return fmt.Errorf("%w: there are %d of %d bytes, the limits are %d and %d, as in a frame", ErrHeader, len(headers), size, limits.Headers, limits.Head)
	}
	return nil
}

// MaxRecipients bounds how many sessions of a member one message goes to.
const MaxRecipients = 100_000

var (
	// ErrNotConnected reports a member without a session on a live node.
	ErrNotConnected = errors.New("no live node has a session of this member")

	// ErrTooManyRecipients reports a member with more than MaxRecipients sessions.
	ErrTooManyRecipients = fmt.Errorf("the member has more than %d sessions", MaxRecipients)

	// ErrOneTarget reports a message for both a session and a member.
	ErrOneTarget = errors.New("a message is for one session, or for each of a member's: not both")
)

// Recipients returns the principals to which messages are addressed; a single "" means all subscribers. Errors are
// ErrNoSession, *AmbiguousError, registry.ErrMember, ErrNotConnected, ErrTooManyRecipients, ErrOneTarget and those of Redis.
func (c *Cluster) Recipients(ctx context.Context, to To) (principals []string, err error) {
	switch {
	case to.Session != "" && to.Member != "":
		return nil, ErrOneTarget
	case to.Session != "":
		s, err := c.Find(ctx, to.Session)
		if err != nil { // no principal at all, since an empty one is everybody
			return nil, err
		}
		return []string{s.Principal}, nil
	case to.Member == "":
		return []string{""}, nil
	}
	for s, err := range c.Sessions(ctx, Filter{Member: to.Member}, "") {
		if err == nil && len(principals) == MaxRecipients {
			err = ErrTooManyRecipients
		}
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", to.Member, err)
		}
		principals = append(principals, s.Principal)
	}
	if len(principals) == 0 {
		return nil, fmt.Errorf("member %s: %w", to.Member, ErrNotConnected)
	}
	return principals, nil
}
