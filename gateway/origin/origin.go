// Package origin says which pages may connect from a browser: where a page comes from, and the patterns
// that allow pages.
package origin

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// origin is where a page comes from, as its browser says (RFC 6454 section 6.2), in lower case. In
// a pattern one * of host stands for any part of it, and a port of * for any, the scheme's own too.
type origin struct{ scheme, host, port string }

// parse takes "https://example.com:8443" apart. It refuses all that is more than an origin,
// and those that have no host, such as "null" of a page opened from disk.
func parse(s string) (o origin, ok bool) {
	s = strings.ToLower(s)
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != s {
		return o, false
	}
	o = origin{u.Scheme, u.Hostname(), u.Port()}
	if o.port == "" {
		o.port = map[string]string{"http": "80", "https": "443"}[o.scheme]
	}
	return o, o.host != ""
}

// IsSame reports whether a page has the same origin as the server, which the request's Host header names.
// The scheme is not compared: behind a proxy that terminates TLS the server does not know its own.
func IsSame(page, host string) bool {
	p, ok := parse(page)
	if !ok || p.scheme != "http" && p.scheme != "https" {
		return false
	}
	own, ok := parse(p.scheme + "://" + host)
	return ok && p == own
}

// List is the list of origins whose pages may connect. Its zero value allows none.
type List struct {
	all      bool
	null     bool // as browsers call a page that has no origin to tell
	patterns []origin
}

// Parse makes a List from patterns: "https://app.example.com", "https://*.example.com" where * is any part of
// the host, "http://localhost:*" where it is any port, "null", or "*" for all.
func Parse(patterns []string) (o List, err error) {
	for _, s := range patterns {
		switch s {
		case "*":
			o.all = true
		case null:
			o.null = true
		default:
			p, err := parsePattern(s)
			if err != nil {
				return o, err
			}
			o.patterns = append(o.patterns, p)
		}
	}
	return o, nil
}

const (
	null    = "null"
	anyPort = "*"
)

// Check returns what is wrong with a pattern for Parse: that it can never match, or that it is unclear what
// it matches.
func Check(pattern string) error {
	_, err := Parse([]string{pattern})
	return err
}

// All reports whether every page may connect. "null" is enough: any page can give another that origin.
func (o List) All() bool { return o.all || o.null }

// parsePattern takes apart an origin as browsers write it, with at most one * in the host, or for the
// port of a host that has none.
func parsePattern(s string) (o origin, err error) {
	scheme, rest, ok := strings.Cut(strings.ToLower(s), "://")
	end := strings.IndexAny(rest, "/?#")
	switch {
	case !ok || scheme == "" || rest == "" || end == 0:
		return o, fmt.Errorf(`%q is not an origin: write scheme://host, such as https://chat.example.com, or "*" for all`, s)
	case strings.ContainsAny(rest, ",;"):
		return o, fmt.Errorf("%q holds several origins: write each as an item of its own", s)
	case end > 0:
		return o, fmt.Errorf("%q has more than a browser sends: write %s://%s", s, scheme, rest[:end])
	case strings.Contains(rest, "@"):
		return o, fmt.Errorf("%q has more than a browser sends: write it without the user", s)
	case strings.ContainsFunc(rest, func(r rune) bool { return r > '~' }):
		return o, fmt.Errorf("%q has other letters than a browser sends: write the host as xn--…", s)
	}
	host, wild := strings.CutSuffix(rest, ":"+anyPort)
	o, ok = parse(scheme + "://" + host)
	if wild {
		o.port = anyPort
	}
	port, err := strconv.ParseUint(o.port, 10, 16)
	switch {
	case !ok:
		return o, fmt.Errorf("%q is not an origin: want one like https://chat.example.com, http://localhost:5173 or http://localhost:*", s)
	case strings.Count(o.host, "*") > 1:
		return o, fmt.Errorf("%q has more than one *: write several origins", s)
	case wild && strings.Contains(o.host, "*"):
		return o, fmt.Errorf("%q has a * for the host and one for the port: write one of them out", s)
	case strings.HasSuffix(host, ":"), !wild && o.port != "" && (err != nil || strconv.FormatUint(port, 10) != o.port || port == 0):
		return o, fmt.Errorf("%q has no port from 1 to 65535: write it as browsers do, such as http://localhost:5173, or * for any", s)
	}
	return o, nil
}

// Match reports whether a page of that origin, as its browser reports it, may connect.
func (o List) Match(page string) bool {
	if o.all || o.null && page == null {
		return true
	}
	p, ok := parse(page)
	if !ok {
		return false
	}
	for _, pattern := range o.patterns {
		if pattern.scheme == p.scheme && (pattern.port == p.port || pattern.port == anyPort) && matchHost(pattern.host, p.host) {
			return true
		}
	}
	return false
}

func matchHost(pattern, host string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return host == pattern
	}
	return len(host) > len(before)+len(after) && strings.HasPrefix(host, before) && strings.HasSuffix(host, after)
}

// Ancestors returns whose pages may connect, as a value of CSP's frame-ancestors; empty for all. What CSP
// can't express is left out.
func (o List) Ancestors() string {
	if o.All() {
		return ""
	}
	list := []string{"'self'"}
	for _, p := range o.patterns {
		host := p.host
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if p.port != "" {
			host += ":" + p.port
		}
		if !strings.Contains(strings.TrimPrefix(p.host, "*."), "*") {
			list = append(list, p.scheme+"://"+host)
		}
	}
	return strings.Join(list, " ")
}
