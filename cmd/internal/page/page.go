// Package page serves the chat page that the binary carries, so that a node can be tried with
// nothing but a browser.
//
// It is three files of ours, an icon, and stompjs (version in assets/THIRD_PARTY), all embedded: the
// page loads nothing from other hosts, and its Content-Security-Policy says so.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"
)

// assets is a package variable because go:embed wants one. Nothing writes to it.
//
//go:embed assets
var assets embed.FS

// policy allows what the page itself brings, and 'self' in connect-src includes the WebSocket.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the page at "/" and what it loads beside it, for GET and HEAD; every other path is
// a 404. endpoint is the path at which the gateway answers WebSocket. Answers carry a strong ETag and Cache-Control: no-cache, so a browser asks each time and a
// new binary is seen at once.
func Handler(endpoint string) http.Handler {
	return pages{
		"/":                    load("index.html", "text/html; charset=utf-8").with(endpoint),
		"/chat.css":            load("chat.css", "text/css; charset=utf-8"),
		"/chat.js":             load("chat.js", "text/javascript; charset=utf-8"),
		"/icon.svg":            load("icon.svg", "image/svg+xml"),
		"/stomp.umd.min.js":    load("stomp.umd.min.js", "text/javascript; charset=utf-8"),
		"/stompjs-LICENSE.txt": load("stompjs-LICENSE.txt", "text/plain; charset=utf-8"),
	}
}

// pages is the handler: a file for each path that exists.
type pages map[string]file

type file struct {
	contentType, etag string
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
	return file{contentType: contentType, etag: etag, body: body}
}

// with returns the page that connects to endpoint. It stays relative to the page's own address, for
// a proxy that serves both under a path.
func (f file) with(endpoint string) file {
	const attribute = `data-endpoint="%s"`
	said := fmt.Sprintf(attribute, html.EscapeString(strings.TrimPrefix(endpoint, "/")))
	return newFile(f.contentType, bytes.Replace(f.body, []byte(fmt.Sprintf(attribute, "stomp")), []byte(said), 1))
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
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
