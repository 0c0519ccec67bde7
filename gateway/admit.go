package gateway

import (
	"net/http"
	"net/url"

	"github.com/stompgw/stompgw/gateway/origin"
)

// admits decides whether the page that a request comes from may connect (RFC 6455 section 10.2).
// Only browsers send an Origin, and one; a request without is no page's.
func (g *Gateway) admits(r *http.Request) bool {
	if len(r.Header.Values("Origin")) > 1 {
		return false
	}
	page := r.Header.Get("Origin")
	return page == "" || origin.IsSame(page, r.Host) || g.origins.Match(page)
}

// admitsElement is admits for a request that a browser sends for an element of a page, such as a
// script, without an Origin. Browsers of today say at least whether the page is another site's (Fetch
// Metadata), and most send its address.
func (g *Gateway) admitsElement(r *http.Request) bool {
	if g.origins.All() || len(r.Header.Values("Origin")) > 0 {
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
	return origin.IsSame(from, r.Host) || g.origins.Match(from)
}
