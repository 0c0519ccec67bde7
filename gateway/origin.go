package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// origin is where a page comes from, as its browser says (RFC 6454 section 6.2), in lower case. In
// a pattern one * of host stands for any part of it.
type origin struct{ scheme, host, port string }

// parseOrigin takes "https://example.com:8443" apart. It refuses all that is more than an origin,
// and those that have no host, such as "null" of a page opened from disk.
func parseOrigin(s string) (o origin, ok bool) {
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

// admits decides whether the page that a request comes from may connect (RFC 6455 section 10.2).
// Only browsers send an Origin, and one; a request without is no page's.
func (g *Gateway) admits(r *http.Request) bool {
	if len(r.Header.Values("Origin")) > 1 {
		return false
	}
	page := r.Header.Get("Origin")
	return page == "" || sameOrigin(page, r.Host) || g.origins.match(page)
}

// admitsElement is admits for a request that a browser sends for an element of a page, such as a
// script, without an Origin. Browsers of today say at least whether the page is another site's (Fetch
// Metadata), and most send its address.
func (g *Gateway) admitsElement(r *http.Request) bool {
	if g.origins.all || len(r.Header.Values("Origin")) > 0 {
		return g.admits(r)
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if site == "same-origin" || site == "none" {
		return true
	}
	page, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || page.Host == "" {
		return site == ""
	}
	from := page.Scheme + "://" + page.Host
	return sameOrigin(from, r.Host) || g.origins.match(from)
}

// sameOrigin compares host and port. The scheme is not compared: behind a proxy that ends TLS this
// node does not know its own.
func sameOrigin(page, host string) bool {
	p, ok := parseOrigin(page)
	if !ok || p.scheme != "http" && p.scheme != "https" {
		return false
	}
	own, ok := parseOrigin(p.scheme + "://" + host)
	return ok && p == own
}

// origins are the patterns of WithOrigins.
type origins struct {
	all      bool
	patterns []origin
}

func parseOrigins(patterns []string) (o origins, err error) {
	for _, s := range patterns {
		if s == "*" {
			o.all = true
			continue
		}
		p, ok := parseOrigin(s)
		if !ok || strings.Count(p.host, "*") > 1 {
			return o, fmt.Errorf("gateway: origin %q: want one like https://app.example.com, https://*.example.com:8443 or *", s)
		}
		o.patterns = append(o.patterns, p)
	}
	return o, nil
}

func (o origins) match(page string) bool {
	if o.all {
		return true
	}
	p, ok := parseOrigin(page)
	if !ok {
		return false
	}
	for _, pattern := range o.patterns {
		if pattern.scheme == p.scheme && pattern.port == p.port && matchHost(pattern.host, p.host) {
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

// ancestors says in the words of CSP's frame-ancestors whose pages may connect; empty for all. What
// CSP has no words for is left out.
func (o origins) ancestors() string {
	if o.all {
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
