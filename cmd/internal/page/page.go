// Package page serves the pages that the binary carries, so that a node can be tried with nothing
// but a browser: a chat over WebSocket, and the page of the replaced system, which uses SockJS and can
// also be opened from disk.
//
// They are our own files and client libraries (versions in assets/THIRD_PARTY), all embedded: a page
// served here loads nothing from other hosts, and its Content-Security-Policy says so.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// assets is a package variable because go:embed wants one. Nothing writes to it.
//
//go:embed assets
var assets embed.FS

// policy allows what a page itself brings, and 'self' in connect-src includes the WebSocket.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// referencePolicy allows no more than that, and the one script and the one style within the page, by
// their hashes. The transports of SockJS need each of the directives with 'self'.
const referencePolicy = "default-src 'none'; script-src 'self' '%s'; style-src '%s'; img-src 'self'; connect-src 'self'; " +
	"frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the chat at "/", the page of the replaced system at "/reference.html" and what they
// load beside them, of which stompgw.js is for others' pages too, for GET and HEAD; every other path is a 404. endpoint is the path at which the
// gateway answers WebSocket and SockJS. Answers carry a strong ETag and Cache-Control: no-cache, so a
// browser asks each time and a new binary is seen at once.
func Handler(endpoint string) http.Handler {
	const page, style, script, text = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8", "text/plain; charset=utf-8"
	return pages{
		"/":                    load("index.html", page).with(endpoint),
		"/reference.html":      load("reference.html", page).with(endpoint).overSockJS(),
		"/chat.css":            load("chat.css", style),
		"/chat.js":             load("chat.js", script),
		"/icon.svg":            load("icon.svg", "image/svg+xml"),
		"/rooms.js":            load("rooms.js", script),
		"/sockjs.min.js":       load("sockjs.min.js", script),
		"/sockjs-LICENSE.txt":  load("sockjs-LICENSE.txt", text),
		"/stompgw.js":          load("stompgw.js", script),
		"/stomp.min.js":        load("stomp.min.js", script),
		"/stomp-LICENSE.txt":   load("stomp-LICENSE.txt", text),
		"/stomp.umd.min.js":    load("stomp.umd.min.js", script),
		"/stompjs-LICENSE.txt": load("stompjs-LICENSE.txt", text),
	}
}

// pages is the handler: a file for each path that exists.
type pages map[string]file

type file struct {
	contentType, etag string
	policy, referrer  string // Content-Security-Policy and Referrer-Policy
	body              []byte
}

// load panics on a name that is not embedded: the tests see that, no user can.
func load(name, contentType string) file {
	body, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err)
	}
	return newFile(contentType, body)
}

func newFile(contentType string, body []byte) file {
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return file{contentType: contentType, etag: etag, policy: policy, referrer: "no-referrer", body: body}
}

// with returns the page that connects to endpoint. It stays relative to the page's own address, for
// a proxy that serves both under a path.
func (f file) with(endpoint string) file {
	const attribute = `data-endpoint="%s"`
	said := fmt.Sprintf(attribute, html.EscapeString(strings.TrimPrefix(endpoint, "/")))
	return newFile(f.contentType, bytes.Replace(f.body, []byte(fmt.Sprintf(attribute, "stomp")), []byte(said), 1))
}

// overSockJS returns a page that may use every transport of SockJS. Those that can't send an Origin
// are told apart by their Referer, and without one a form's Origin would be "null".
func (f file) overSockJS() file {
	f.policy = fmt.Sprintf(referencePolicy, hashOf("script", f.body), hashOf("style", f.body))
	f.referrer = "same-origin"
	return f
}

// hashOf names the text of the one element of a page in its policy (CSP Level 3, section 2.3.1). It
// panics where there is none: the tests see that, no user can.
func hashOf(element string, page []byte) string {
	text := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindSubmatch(page)[1]
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (p pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := p[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are served here", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", f.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", f.referrer)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
