package front

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/stompgw/stompgw/gateway/internal/ws"
	"github.com/stompgw/stompgw/gateway/origin"
)

// admits decides whether the page that a request comes from may connect (RFC 6455 section 10.2).
// Only browsers send an Origin, and one; a request without is no page's.
func (d *Door) admits(r *http.Request) bool {
	if len(r.Header.Values("Origin")) > 1 {
		return false
	}
	page := r.Header.Get("Origin")
	return page == "" || origin.IsSame(page, r.Host) || d.Origins.Match(page)
}

// admitsElement is admits for a request that a browser sends for an element of a page, such as a
// script, without an Origin. Browsers of today say at least whether the page is another site's (Fetch
// Metadata), and most send its address.
func (d *Door) admitsElement(r *http.Request) bool {
	if d.Origins.All() || len(r.Header.Values("Origin")) > 0 {
		return d.admits(r)
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
	return origin.IsSame(from, r.Host) || d.Origins.Match(from)
}

// refusePage words the refusal of a page of another origin, for its author and for the operator.
func (d *Door) refusePage(r *http.Request) *ws.Refusal {
	if n := len(r.Header.Values("Origin")); n > 1 {
		return &ws.Refusal{Status: http.StatusForbidden, Reason: fmt.Sprintf("the request has %d Origin headers, and a browser sends one: a proxy on the way may add another", n)}
	}
	page, host := cut(r.Header.Get("Origin")), cut(r.Host)
	d.lines.page.Log(d.Log, slog.LevelWarn, "refused a page of another origin; to allow it, add it to the setting origins", "origin", page, "host", host)
	return &ws.Refusal{Status: http.StatusForbidden, Reason: fmt.Sprintf("a page of origin %q may not connect to %q: to allow it, add it to the gateway's setting origins", page, host)}
}

// cut shortens an origin or a host to what is told and logged, in bytes: a host name with its scheme and
// port.
func cut(s string) string { return s[:min(len(s), 300)] }
