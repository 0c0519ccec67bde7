package sockjs

import (
	"net/url"
	"slices"
	"strings"
)

// Kind is what is at a path below that of a service.
type Kind uint8

const (
	NotFound     Kind = iota
	Page              // the greeting, /info or an iframe page: for ServeHTTP alone
	API               // /api/{name}: no SockJS in it, but its rules for pages
	RawWebSocket      // /websocket: no SockJS in it
	WebSocket         // /{server}/{session}/websocket
	Receive           // /{server}/{session}/ and a transport to read by
	Send              // /{server}/{session}/ and one to write by
)

// Resource is what a path names.
type Resource struct {
	Kind      Kind
	session   string
	page      string // the last part of a Page's or Send's path
	methods   string // that it has, but for WebSockets
	transport *transport
}

// maxID is the most bytes of a server's or session's id.
const maxID = 128

// Find says what is at the path of u, if that is the service's own or below it.
func (s *Service) Find(u *url.URL) (r Resource, below bool) {
	path, below := segments(u.EscapedPath())
	if !below {
		return r, false
	}
	if len(path) < len(s.base) || !slices.Equal(path[:len(s.base)], s.base) {
		return r, false
	}
	return s.find(path[len(s.base):]), true
}

// segments are those of a path that begins with a slash, unescaped.
func segments(path string) (list []string, ok bool) {
	path, ok = strings.CutPrefix(path, "/")
	if !ok {
		return nil, false
	}
	list = strings.Split(path, "/")
	for i, s := range list {
		if strings.Contains(s, "%") {
			if list[i], _ = url.PathUnescape(s); list[i] == "" {
				return nil, false
			}
		}
	}
	return list, true
}

func (s *Service) find(path []string) Resource {
	switch {
	case len(path) == 0:
		return Resource{Kind: Page, methods: "GET"}
	case len(path) == 1 && path[0] == "":
		return Resource{Kind: Page, page: "/", methods: "GET"}
	case len(path) == 1 && path[0] == "websocket":
		return Resource{Kind: RawWebSocket}
	case len(path) == 1 && path[0] == "info":
		return Resource{Kind: Page, page: "info", methods: "OPTIONS, GET"}
	case len(path) == 1 && isIframe(path[0]):
		return Resource{Kind: Page, page: path[0], methods: "GET"}
	case len(path) == 2 && path[0] == "api" && s.API != nil:
		return Resource{Kind: API, methods: "OPTIONS, GET"}
	case len(path) == 3 && isID(path[0]) && isID(path[1]):
		return s.findTransport(path[1], path[2])
	}
	return Resource{}
}

func (s *Service) findTransport(session, name string) Resource {
	switch name {
	case "websocket":
		return Resource{Kind: WebSocket, session: session}
	case "xhr_send":
		return Resource{Kind: Send, session: session, page: name, methods: "OPTIONS, POST"}
	case "jsonp_send":
		return Resource{Kind: Send, session: session, page: name, methods: "POST"}
	}
	for _, t := range s.transports {
		if t.path == name {
			r := Resource{Kind: Receive, session: session, methods: t.method, transport: t}
			if t.cors {
				r.methods = "OPTIONS, " + t.method
			}
			return r
		}
	}
	return Resource{}
}

// isID reports whether a server or session may be called s ("Session URLs").
func isID(s string) bool { return s != "" && len(s) <= maxID && !strings.Contains(s, ".") }

// isIframe takes iframe.html and those that a client's version makes of it ("IFrame page").
func isIframe(s string) bool {
	middle, ok := strings.CutPrefix(s, "iframe")
	if !ok {
		return false
	}
	middle, ok = strings.CutSuffix(middle, ".html")
	return ok && !strings.ContainsFunc(middle, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && !strings.ContainsRune("-._", r)
	})
}

// IsBase reports whether it is the service's own path.
func (r Resource) IsBase() bool { return r.Kind == Page && r.page == "" }

// IsElement reports whether browsers ask for it on behalf of an element of a page, and so don't say
// whose page it is.
func (r Resource) IsElement() bool { return r.Kind == Receive && !r.transport.cors }
