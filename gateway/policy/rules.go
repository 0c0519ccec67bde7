package policy

import (
	"fmt"
	"strings"
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

// Channel is one rule of the catalogue: what may be done with the destinations it matches.
type Channel struct {
	Match     string // segments; {name} stands for any one segment that holds no pattern character
	Subscribe string // "true" or "false"; empty is "false"
	Send      string // the same, for a SEND to the destination itself
	Summary   string // for people: what the channel carries
}

// Route says what a SEND to an application destination becomes.
type Route struct {
	Match   string // such as "/app/topic/{channel}"
	Allow   string // "true" or "false"; empty is "false"
	Publish string // where it goes: "/topic/{channel}"; variables are those of Match

	// CEL expressions over body, text, is_json, headers, vars and destination. Empty is none.
	Body    string // what its body becomes
	Headers string // header entries that it gets, in place of the sender's own of the same names
}

// Rules is what a Catalogue is made of. The first channel, or route, that matches decides.
type Rules struct {
	Prefixes         Prefixes
	ErrorDestination string // where refusals go; every session may subscribe to it
	Channels         []Channel
	Routes           []Route
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
	match           pattern
	subscribe, send bool
}

type route struct {
	match   pattern
	allow   bool
	publish template
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
	var expressions compiler
	for i, rule := range r.Channels {
		ch, err := newChannel(rule, fmt.Sprintf("channels[%d]", i), r.Prefixes)
		if err != nil {
			return nil, err
		}
		c.channels = append(c.channels, ch)
	}
	for i, rule := range r.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		rt, err := newRoute(rule, path, r.Prefixes)
		if err == nil {
			err = rt.compile(&expressions, rule, path)
		}
		if err != nil {
			return nil, err
		}
		c.routes = append(c.routes, rt)
	}
	return c, nil
}

func newChannel(rule Channel, path string, p Prefixes) (ch channel, err error) {
	if ch.match, err = parsePattern(rule.Match, path+".match"); err != nil {
		return ch, err
	}
	if under(rule.Match, p.App) {
		return ch, &RuleError{Path: path + ".match", Reason: fmt.Sprintf("%q is under the application prefix %s, which nobody receives: write a route", rule.Match, p.App)}
	}
	if ch.subscribe, err = parsePermission(rule.Subscribe, path+".subscribe"); err != nil {
		return ch, err
	}
	ch.send, err = parsePermission(rule.Send, path+".send")
	return ch, err
}

func newRoute(rule Route, path string, p Prefixes) (rt route, err error) {
	if rt.match, err = parsePattern(rule.Match, path+".match"); err != nil {
		return rt, err
	}
	if !under(rule.Match, p.App) {
		return rt, &RuleError{Path: path + ".match", Reason: fmt.Sprintf("%q is not under the application prefix %s", rule.Match, p.App)}
	}
	if rt.allow, err = parsePermission(rule.Allow, path+".allow"); err != nil {
		return rt, err
	}
	if rt.publish, err = parseTemplate(rule.Publish, rt.match, path+".publish"); err != nil {
		return rt, err
	}
	if under(rule.Publish, p.App) {
		return rt, &RuleError{Path: path + ".publish", Reason: fmt.Sprintf("%q is under the application prefix %s, which nobody receives", rule.Publish, p.App)}
	}
	return rt, nil
}

// compile makes the expressions of rule, if it has any.
func (rt *route) compile(c *compiler, rule Route, path string) (err error) {
	if rt.body, err = c.compile(rule.Body, path+".body", rt.match, (*expression).reviewBody); err != nil {
		return err
	}
	rt.headers, err = c.compile(rule.Headers, path+".headers", rt.match, (*expression).reviewHeaders)
	return err
}

// rewrite is what the expressions make of a SEND to destination, nil if there are none.
func (rt *route) rewrite(b bindings, destination string) *Rewrite {
	if rt.body == nil && rt.headers == nil {
		return nil
	}
	return &Rewrite{route: rt, bound: b, destination: destination}
}

func parsePermission(s, path string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, &RuleError{Path: path, Reason: fmt.Sprintf("%q is neither \"true\" nor \"false\"", s)}
}

// under reports whether destination is prefix itself or stands below it.
func under(destination, prefix string) bool {
	rest, ok := strings.CutPrefix(destination, prefix)
	return ok && (rest == "" || rest[0] == '/')
}
