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
}

func (e *RuleError) Error() string { return e.Path + ": " + e.Reason }

type channel struct {
	match           pattern
	subscribe, send bool
}

type route struct {
	match   pattern
	allow   bool
	publish template
}

// Catalogue judges frames by the rules.
type Catalogue struct {
	prefixes  Prefixes
	errorDest string
	channels  []channel
	routes    []route
}

// New checks the rules; an error is a *RuleError.
func New(r Rules) (*Catalogue, error) {
	c := &Catalogue{prefixes: r.Prefixes, errorDest: r.ErrorDestination}
	for i, rule := range r.Channels {
		ch, err := newChannel(rule, fmt.Sprintf("channels[%d]", i), r.Prefixes)
		if err != nil {
			return nil, err
		}
		c.channels = append(c.channels, ch)
	}
	for i, rule := range r.Routes {
		rt, err := newRoute(rule, fmt.Sprintf("routes[%d]", i), r.Prefixes)
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
		return ch, &RuleError{path + ".match", fmt.Sprintf("%q is under the application prefix %s, which nobody receives: write a route", rule.Match, p.App)}
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
		return rt, &RuleError{path + ".match", fmt.Sprintf("%q is not under the application prefix %s", rule.Match, p.App)}
	}
	if rt.allow, err = parsePermission(rule.Allow, path+".allow"); err != nil {
		return rt, err
	}
	if rt.publish, err = parseTemplate(rule.Publish, rt.match, path+".publish"); err != nil {
		return rt, err
	}
	if under(rule.Publish, p.App) {
		return rt, &RuleError{path + ".publish", fmt.Sprintf("%q is under the application prefix %s, which nobody receives", rule.Publish, p.App)}
	}
	return rt, nil
}

func parsePermission(s, path string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, &RuleError{path, fmt.Sprintf("%q is neither \"true\" nor \"false\"", s)}
}

// under reports whether destination is prefix itself or stands below it.
func under(destination, prefix string) bool {
	rest, ok := strings.CutPrefix(destination, prefix)
	return ok && (rest == "" || rest[0] == '/')
}
