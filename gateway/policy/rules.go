package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/gateway/destination"
)

// Prefixes tell what kind of destination a client means.
type Prefixes struct {
	App    string   // a SEND to the application: routed, never delivered as it is; default "/app"
	Broker []string // what subscribers receive; default "/topic" and "/queue"
	User   string   // the client's own session; default "/session"
}

// DefaultPrefixes are those of the replaced system.
func DefaultPrefixes() Prefixes {
	return Prefixes{App: "/app", Broker: []string{"/topic", "/queue"}, User: "/session"}
}

// Channel is one rule of the catalogue: what may be done with the destinations it matches. Subscribe
// and Send are CEL expressions that make true or false, over claims, vars, headers, session and
// destination. Empty is "false", and so is what can't be evaluated.
//
// The tags of rules are for settings: the key in a file, and what it is.
type Channel struct {
	// segments; {name} and * stand for any one, ** for any number, room-* and ? for what Ant means
	Match string `key:"match" required:"true" is:"destinations that the rule is for: '{name}' is any one segment, '**' any number of them"`
	// such as "true", or vars.member == string(claims.mu)
	Subscribe string `key:"subscribe" is:"condition for SUBSCRIBE, in CEL; empty is nobody"`
	Send      string `key:"send" is:"condition for a SEND to the destination itself, not by a route; empty is nobody"`
	Patterns  bool   `key:"patterns" is:"whether subscriptions by pattern are let in"` // each message is judged alone
	Summary   string `key:"summary" is:"what it is, for people"`
}

// Route says what a SEND to an application destination becomes.
type Route struct {
	Match   string `key:"match" required:"true" is:"destinations that clients send to"` // such as "/app/topic/{channel}"
	Allow   string `key:"allow" required:"true" is:"condition for the SEND, in CEL"`
	Publish string `key:"publish" required:"true" is:"where the message goes: with the variables of 'match'"` // such as "/topic/{channel}"

	// CEL expressions over body, text and is_json, and what Allow sees. Empty is none.
	Body    string `key:"body" is:"what the body becomes, in CEL; empty is as it was sent"`
	Headers string `key:"headers" is:"header entries that replace the sender's own, a map in CEL"`
}

// Rules is what a Catalogue is made of. The first channel, or route, that matches decides.
type Rules struct {
	Prefixes         Prefixes
	ErrorDestination string // where refusals go; every session may subscribe to it; empty for nowhere
	Channels         []Channel
	Routes           []Route
	Where            func(rule string) string // where one such as "channels[2]" stands, for the log; nil for nowhere
}

// RuleError says which rule can't be used and why.
type RuleError struct {
	Path   string // such as "channels[2].match", counted from 0
	Reason string

	// Where the mistake is in an expression; Line 0 means the field as a whole.
	Line   int    // of the expression, from 1
	Column int    // in characters, from 1; one more than the line has if something is missing at its end
	Source string // that line
}

func (e *RuleError) Error() string {
	if e.Line == 0 {
		return e.Path + ": " + e.Reason
	}
	return fmt.Sprintf("%s: %s (line %d, column %d)", e.Path, e.Reason, e.Line, e.Column)
}

// Caret is a line that, below Source, points at Column.
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

type channel struct {
	path, where     string // such as "channels[2]" and "prod.yaml:14"
	match           destination.Matcher
	subscribe, send permission
	patterns        bool
}

type route struct {
	path    string
	where   string
	match   destination.Matcher
	allow   permission
	publish destination.Template
	body    *expression // nil for none, as headers
	headers *expression
}

// Catalogue judges frames by the rules.
type Catalogue struct {
	prefixes  Prefixes
	errorDest string
	channels  []channel
	routes    []route
}

// New checks the rules and compiles their expressions. An error is a *RuleError, or several joined
// when an expression has several mistakes.
func New(r Rules) (*Catalogue, error) {
	c := &Catalogue{prefixes: r.Prefixes, errorDest: r.ErrorDestination}
	where := r.Where
	if where == nil {
		where = func(string) string { return "" }
	}
	permissions, rewrites := &compiler{}, &compiler{bodies: true}
	for i, rule := range r.Channels {
		ch := channel{path: fmt.Sprintf("channels[%d]", i), patterns: rule.Patterns}
		if err := ch.compile(permissions, rule, r.Prefixes); err != nil {
			return nil, err
		}
		ch.where = where(ch.path)
		c.channels = append(c.channels, ch)
	}
	for i, rule := range r.Routes {
		rt := route{path: fmt.Sprintf("routes[%d]", i)}
		err := rt.compile(permissions, rule, r.Prefixes)
		if err == nil {
			err = rt.compileRewrite(rewrites, rule)
		}
		if err != nil {
			return nil, err
		}
		rt.where = where(rt.path)
		c.routes = append(c.routes, rt)
	}
	return c, nil
}

// Where is where a rule such as "channels[2]" stands; empty if nobody has said.
func (c *Catalogue) Where(rule string) string {
	for i := range c.channels {
		if c.channels[i].path == rule {
			return c.channels[i].where
		}
	}
	for i := range c.routes {
		if c.routes[i].path == rule {
			return c.routes[i].where
		}
	}
	return ""
}

func (ch *channel) compile(c *compiler, rule Channel, p Prefixes) (err error) {
	if ch.match, err = newMatcher(rule.Match, ch.path); err != nil {
		return err
	}
	switch {
	case under(rule.Match, p.App):
		return &RuleError{Path: ch.path + ".match", Reason: fmt.Sprintf("%q is under the application prefix %s, which nobody receives: write a route", rule.Match, p.App)}
	case rule.Patterns && under(rule.Match, p.User):
		return &RuleError{Path: ch.path + ".patterns", Reason: fmt.Sprintf("%q is under the session prefix %s, where messages reach subscriptions by name alone", rule.Match, p.User)}
	}
	if ch.subscribe, err = c.permission(rule.Subscribe, ch.path+".subscribe", &ch.match); err != nil {
		return err
	}
	ch.send, err = c.permission(rule.Send, ch.path+".send", &ch.match)
	return err
}

func (rt *route) compile(c *compiler, rule Route, p Prefixes) (err error) {
	if rt.match, err = newMatcher(rule.Match, rt.path); err != nil {
		return err
	}
	if !under(rule.Match, p.App) {
		return &RuleError{Path: rt.path + ".match", Reason: fmt.Sprintf("%q is not under the application prefix %s", rule.Match, p.App)}
	}
	if rt.allow, err = c.permission(rule.Allow, rt.path+".allow", &rt.match); err != nil {
		return err
	}
	if rt.publish, err = rt.match.Template(rule.Publish); err != nil {
		return &RuleError{Path: rt.path + ".publish", Reason: err.Error()}
	}
	if under(rule.Publish, p.App) {
		return &RuleError{Path: rt.path + ".publish", Reason: fmt.Sprintf("%q is under the application prefix %s, which nobody receives", rule.Publish, p.App)}
	}
	return nil
}

// newMatcher makes what the match of the rule at path says.
func newMatcher(match, path string) (destination.Matcher, error) {
	m, err := destination.NewMatcher(match)
	if err != nil {
		return m, &RuleError{Path: path + ".match", Reason: err.Error()}
	}
	return m, nil
}

// compileRewrite makes the expressions of rule, if it has any, for what becomes of a message.
func (rt *route) compileRewrite(c *compiler, rule Route) (err error) {
	if rt.body, err = c.compile(rule.Body, rt.path+".body", &rt.match, (*expression).reviewBody); err != nil {
		return err
	}
	rt.headers, err = c.compile(rule.Headers, rt.path+".headers", &rt.match, (*expression).reviewHeaders)
	return err
}

// rewrite is what the expressions make of a SEND, nil if there are none. They may be evaluated when
// the session has gone on, so it is described now.
func (rt *route) rewrite(r *Request, b *destination.Bindings) *Rewrite {
	if rt.body == nil && rt.headers == nil {
		return nil
	}
	w := &Rewrite{route: rt, frame: frame{request: *r, match: &rt.match, bound: *b}}
	if rt.body.asksSession() || rt.headers.asksSession() {
		w.frame.describe()
	}
	w.frame.request.From = nil
	return w
}

// under reports whether destination is prefix itself or stands below it.
func under(destination, prefix string) bool {
	rest, ok := strings.CutPrefix(destination, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// Agrees reports whether destinations mean the same kind to both catalogues, so that one can take the
// place of the other under sessions.
func (c *Catalogue) Agrees(other *Catalogue) bool {
	return c.errorDest == other.errorDest && c.prefixes.App == other.prefixes.App && c.prefixes.User == other.prefixes.User &&
		slices.Equal(c.prefixes.Broker, other.prefixes.Broker)
}

// ReadsHeaders reports whether a rule for SUBSCRIBE looks at the headers that came with it.
func (c *Catalogue) ReadsHeaders() bool {
	return slices.ContainsFunc(c.channels, func(ch channel) bool { return ch.subscribe.expression.asksHeaders() })
}
