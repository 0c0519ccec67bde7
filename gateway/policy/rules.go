package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/schema"
)

// Prefixes tell what kind of destination a client means.
type Prefixes struct {
	App    string   // a SEND to the application: routed, never delivered directly; default "/app"
	Broker []string // what subscribers receive; default "/topic" and "/queue"
	User   string   // the client's own session; default "/session"
	Member string   // the client's own member, on all its sessions; default "/member"; empty for none; no other may overlap it

	// who is subscribed to the destination after it; default "/presence"; empty for none; no other may overlap it
	Presence string
}

// DefaultPrefixes returns the prefixes of the replaced system, and two that it does not have.
func DefaultPrefixes() Prefixes {
	return Prefixes{App: "/app", Broker: []string{"/topic", "/queue"}, User: "/session", Member: "/member", Presence: "/presence"}
}

// Channel is one rule of the catalogue: what may be done with the destinations it matches. Subscribe
// and Send are CEL expressions that return true or false, over claims, vars, headers, session and
// destination. Empty means "false", and so does an expression that can't be evaluated.
//
// The tags of rules are for settings: the key in a file, and its description.
type Channel struct {
	// segments; {name} and * stand for any one, ** for any number, room-* and ? for what they mean in Ant
	Match string `key:"match" required:"true" is:"destinations the rule applies to: '{name}' matches one segment, '**' any number"`
	// such as "true", or vars.member == string(claims.mu)
	Subscribe string `key:"subscribe" is:"CEL condition for SUBSCRIBE; empty means nobody"`
	Send      string `key:"send" is:"CEL condition for a direct SEND to the destination, not through a route; empty means nobody"`
	Patterns  bool   `key:"patterns" is:"allow subscriptions by pattern"` // each message is judged alone
	From      bool   `key:"from" is:"show subscribers who sent a message, in its header 'stomp-member'"`
	Summary   string `key:"summary" is:"description for people"`

	// what bodies must be, whoever sends them; nil for anything
	Schema   *schema.Schema `key:"schema" holds:"json" is:"JSON Schema 2020-12 that bodies must match: a file in this file's folder or below, or inline"`
	Examples []string       `key:"examples" holds:"json" is:"example bodies in YAML, for people; checked at start"` // in JSON

	// not for destinations of sessions
	History History `key:"history"`

	// not for destinations of sessions and members; the second is over claims, vars, session and destination
	Presence     Presence `key:"presence" is:"let clients see who is subscribed: 'true', or 'count' for the number alone"`
	PresenceInfo string   `key:"presence_info" is:"what they see of a member besides its id: a CEL map of at most 1 KiB; empty means nothing"`

	Limits Limits `key:"limits"`
}

// Route says what a SEND to an application destination becomes.
type Route struct {
	Match   string `key:"match" required:"true" is:"destinations that clients SEND to"` // such as "/app/topic/{channel}"
	Allow   string `key:"allow" required:"true" is:"CEL condition for the SEND"`
	Publish string `key:"publish" is:"destination of the message; may use the variables of 'match'"` // such as "/topic/{channel}"; empty only with a To
	To      To     `key:"to"`

	// CEL expressions over body, text and is_json, and what Allow sees. Empty means none.
	Body    string `key:"body" is:"CEL expression for the new body; empty leaves it unchanged"`
	Headers string `key:"headers" is:"CEL map of headers that replace the sender's own"`
}

// Rules is what a Catalogue is made of. The first channel, or route, that matches decides.
type Rules struct {
	Prefixes         Prefixes
	ErrorDestination string // where refusals go; every session may subscribe to it; empty for nowhere
	Channels         []Channel
	Routes           []Route
	PerSession       Limit                    // for all SENDs of a session, whatever happens to them
	PerNode          Limit                    // for all SENDs of a node's sessions together; those over it are refused
	Where            func(rule string) string // where a rule such as "channels[2]" is written, for the log; nil if unknown
}

// RuleError says which rule can't be used and why.
type RuleError struct {
	Path   string // such as "channels[2].match", counted from 0
	Reason string

	// Where the mistake is in an expression; Line 0 means the whole field.
	Line   int    // of the expression, from 1
	Column int    // in characters, from 1; one past the end of the line if something is missing there
	Source string // that line
}

func (e *RuleError) Error() string {
	if e.Line == 0 {
		return e.Path + ": " + e.Reason
	}
	return fmt.Sprintf("%s: %s (line %d, column %d)", e.Path, e.Reason, e.Line, e.Column)
}

// Caret is a line that points at Column when printed below Source.
func (e *RuleError) Caret() string {
	blank := func(r rune) rune {
		if r == '\t' {
			return r // as wide as above
		}
		return ' '
	}
	line := []rune(e.Source)
	return strings.Map(blank, string(line[:min(e.Column-1, len(line))])) + "^"
}

// rule is a Channel or a Route as frames are judged by it.
type rule struct {
	path, where string // such as "channels[2]" and "prod.yaml:14"
	match       destination.Matcher
	send        permission // of a Route Allow
	outline     Outline    // for people

	// Of a Channel alone.
	subscribe permission
	patterns  bool
	from      bool // subscribers see who sends
	members   bool // its match begins with the prefix of members
	history   History
	contents  *Contents // nil for whatever
	presence  Presence
	info      *expression         // what is shown of who is present; nil for nothing
	quota     *Quota              // what a session may SEND to it; nil for anything
	views     bool                // its match begins with the prefix of presence, so that it only takes from what
	room      destination.Matcher // the channels of these rooms give

	// Of a Route alone.
	publishes     bool // it has a publish; else a to
	publish       destination.Template
	to            *backend    // nil for none
	toMembers     bool        // its publish begins with the prefix of members
	body, headers *expression // nil for none
}

// mistake is that a field of the rule, such as ".match", can't be used; none is the rule as a whole.
func (ru *rule) mistake(field, format string, args ...any) error {
	return &RuleError{Path: ru.path + field, Reason: fmt.Sprintf(format, args...)}
}

// Catalogue judges frames by the rules.
type Catalogue struct {
	prefixes  Prefixes
	errorDest string
	channels  []rule
	routes    []rule
	memory    *memory // of histories; nil where no channel has one
	demands   bool    // a channel says something of all messages

	perSession, perNode *Quota // nil for none
}

// New checks the rules and compiles their expressions. An error is a *RuleError, or several joined if
// an expression has several mistakes.
func New(r Rules) (*Catalogue, error) {
	c := &Catalogue{prefixes: r.Prefixes, errorDest: r.ErrorDestination}
	where := r.Where
	if where == nil {
		where = func(string) string { return "" }
	}
	if err := c.compileLimits(r.PerSession, r.PerNode); err != nil {
		return nil, err
	}
	permissions, rewrites := &compiler{}, &compiler{bodies: true}
	for i, said := range r.Channels {
		path := fmt.Sprintf("channels[%d]", i)
		ru := rule{path: path, where: where(path), patterns: said.Patterns}
		ru.outline = Outline{Path: path, Where: ru.where, Match: said.Match, Channel: &said}
		if err := ru.compileChannel(permissions, said, r.Prefixes); err != nil {
			return nil, err
		}
		if err := ru.compileHistory(said.History, c); err != nil {
			return nil, err
		}
		if err := ru.compileContents(said); err != nil {
			return nil, err
		}
		if err := ru.compilePresence(permissions, said, c); err != nil {
			return nil, err
		}
		if err := ru.compileLimits(said.Limits, c); err != nil {
			return nil, err
		}
		ru.from = said.From
		c.demands = c.demands || ru.demands()
		c.channels = append(c.channels, ru)
	}
	for i, said := range r.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		ru := rule{path: path, where: where(path)}
		ru.outline = Outline{Path: path, Where: ru.where, Match: said.Match, Route: &said}
		if err := ru.compileRoute(permissions, rewrites, said, r.Prefixes); err != nil {
			return nil, err
		}
		c.routes = append(c.routes, ru)
	}
	return c, nil
}

// rules are the channels and the routes.
func (c *Catalogue) rules() []rule { return slices.Concat(c.channels, c.routes) }

// Where is where a rule such as "channels[2]" is written; empty if unknown.
func (c *Catalogue) Where(path string) string {
	for _, ru := range c.rules() {
		if ru.path == path {
			return ru.where
		}
	}
	return ""
}

func (ru *rule) compileChannel(c *compiler, said Channel, p Prefixes) (err error) {
	if ru.match, err = destination.NewMatcher(said.Match); err != nil {
		return ru.mistake(".match", "%v", err)
	}
	switch {
	case destination.IsUnder(said.Match, p.App):
		return ru.mistake(".match", "%q is under the application prefix %s, which nobody receives: write a route", said.Match, p.App)
	case said.Patterns && destination.IsUnder(said.Match, p.User):
		return ru.mistake(".patterns", "%q is under the session prefix %s, where messages reach subscriptions by name alone", said.Match, p.User)
	case said.Patterns && p.isMember(said.Match):
		return ru.mistake(".patterns", "%q is under the member prefix %s, where messages reach subscriptions by name alone", said.Match, p.Member)
	}
	if err := p.reviewMember(said.Match); err != nil {
		return ru.mistake(".match", "%v", err)
	}
	ru.members = p.isMember(said.Match)
	if p.isPresence(said.Match) {
		if err := ru.compileView(said, p); err != nil {
			return err
		}
	}
	if ru.subscribe, err = c.permission(said.Subscribe, ru.path+".subscribe", &ru.match); err != nil {
		return err
	}
	ru.send, err = c.permission(said.Send, ru.path+".send", &ru.match)
	return err
}

func (ru *rule) compileRoute(permissions, rewrites *compiler, said Route, p Prefixes) (err error) {
	if ru.match, err = destination.NewMatcher(said.Match); err != nil {
		return ru.mistake(".match", "%v", err)
	}
	if !destination.IsUnder(said.Match, p.App) {
		return ru.mistake(".match", "%q is not under the application prefix %s", said.Match, p.App)
	}
	if ru.send, err = permissions.permission(said.Allow, ru.path+".allow", &ru.match); err != nil {
		return err
	}
	if err = ru.compileTo(permissions, said.To); err != nil {
		return err
	}
	if err = ru.compilePublish(said, p); err != nil {
		return err
	}
	if ru.body, err = rewrites.compile(said.Body, ru.path+".body", &ru.match, (*expression).reviewBody); err != nil {
		return err
	}
	ru.headers, err = rewrites.compile(said.Headers, ru.path+".headers", &ru.match, (*expression).reviewHeaders)
	return err
}

// compilePublish checks what a route publishes; nothing is enough where it has a backend.
func (ru *rule) compilePublish(said Route, p Prefixes) (err error) {
	if ru.publishes = said.Publish != ""; !ru.publishes {
		if ru.to == nil {
			return ru.mistake("", "has no publish and no to: say where the message goes, to subscribers or to a backend")
		}
		return nil
	}
	if ru.publish, err = ru.match.Template(said.Publish); err != nil {
		return ru.mistake(".publish", "%v", err)
	}
	if destination.IsUnder(said.Publish, p.App) {
		return ru.mistake(".publish", "%q is under the application prefix %s, which nobody receives", said.Publish, p.App)
	}
	if p.isPresence(said.Publish) {
		return ru.mistake(".publish", errPresence, said.Publish, p.Presence)
	}
	if err := p.reviewMember(said.Publish); err != nil {
		return ru.mistake(".publish", "%v", err)
	}
	ru.toMembers = p.isMember(said.Publish)
	return nil
}

// rewrite is what the expressions make of a SEND, nil if there are none. They may be evaluated when
// the session has gone on, so it is described now.
func (ru *rule) rewrite(r *Request, b *destination.Bindings) *Rewrite {
	if ru.body == nil && ru.headers == nil {
		return nil
	}
	w := &Rewrite{rule: ru, frame: frame{request: *r, match: &ru.match, bound: *b}}
	if ru.body.asksSession() || ru.headers.asksSession() {
		w.frame.describe()
	}
	w.frame.request.From = nil
	return w
}

// Agrees reports whether destinations are of the same kind in both catalogues, so that one can replace
// the other while there are sessions.
func (c *Catalogue) Agrees(other *Catalogue) bool {
	return c.errorDest == other.errorDest && c.prefixes.App == other.prefixes.App && c.prefixes.User == other.prefixes.User &&
		c.prefixes.Member == other.prefixes.Member && c.prefixes.Presence == other.prefixes.Presence && slices.Equal(c.prefixes.Broker, other.prefixes.Broker)
}

// ReadsHeaders reports whether a rule for SUBSCRIBE looks at the headers that came with it.
func (c *Catalogue) ReadsHeaders() bool {
	return slices.ContainsFunc(c.channels, func(ru rule) bool { return ru.subscribe.expression.asksHeaders() })
}
