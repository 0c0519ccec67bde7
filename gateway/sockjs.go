package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/sockjs"
	"github.com/stompgw/stompgw/gateway/internal/ws"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// SockJS is what a node offers to clients that can't, or don't, use a bare WebSocket.
type SockJS struct {
	Heartbeat      time.Duration // between two signs of life to a client that waits, default 25 s
	SessionTimeout time.Duration // that a session lives on while no request of the client waits for it, default 5 s
	StreamLimit    int           // bytes after which a streaming answer ends and the client asks again, default 128 KiB
	CookieNeeded   bool          // set and ask for the cookie JSESSIONID, which some load balancers need
	ClientURL      string        // where the page for clients of other origins loads sockjs-client from; none is served if empty
	Echo           bool          // offer the services of protocol test suites: /echo, /close and their like
}

// DefaultSockJS returns the defaults.
func DefaultSockJS() SockJS {
	return SockJS{Heartbeat: 25 * time.Second, SessionTimeout: 5 * time.Second, StreamLimit: 128 << 10}
}

const (
	echoStreamLimit = 4096     // bytes, as the test suites expect
	minPost         = 16 << 20 // bytes: clients put all that they have sent during one post into the next
	perEscape       = 3        // bytes that JSON in ASCII takes for one of a language's text, at most
)

// mount is a service, and what its path carries beside SockJS.
type mount struct {
	*sockjs.Service
	periods ws.Periods // of SockJS over WebSocket
	public  bool       // pages of all origins may use it
	off     bool       // there is no SockJS, only a bare WebSocket
	echo    bool       // a bare WebSocket gives back what it gets
}

// newMounts makes the services of a node, the endpoint first.
func (g *Gateway) newMounts() []*mount {
	set := DefaultSockJS()
	if g.set.sockjs != nil {
		set = *g.set.sockjs
	}
	options := sockjs.Options{
		Path:           g.set.endpoint,
		Application:    sockjs.STOMP,
		Heartbeat:      set.Heartbeat,
		SessionTimeout: set.SessionTimeout,
		Parting:        g.set.parting,
		StreamLimit:    set.StreamLimit,
		MaxPost:        max(minPost, perEscape*(g.set.limits.Message+stomp.DefaultLimits().Head)),
		CookieNeeded:   set.CookieNeeded,
		ClientURL:      set.ClientURL,
		Ancestors:      g.origins.Ancestors(),
	}
	periods := g.set.periods.WithPing(set.Heartbeat)
	mounts := []*mount{{Service: sockjs.New(options), periods: periods, off: g.set.sockjs == nil}}
	if g.set.sockjs == nil || !set.Echo {
		return mounts
	}
	options.Application, options.Apart = sockjs.Echo, true
	add := func(path string, change func(*sockjs.Options)) *mount {
		o := options
		o.Path = path
		change(&o)
		m := &mount{Service: sockjs.New(o), periods: periods, public: true, echo: true}
		mounts = append(mounts, m)
		return m
	}
	add("/echo", func(o *sockjs.Options) { o.StreamLimit = echoStreamLimit })
	add("/disabled_websocket_echo", func(o *sockjs.Options) { o.NoWebSocket = true })
	add("/cookie_needed_echo", func(o *sockjs.Options) { o.CookieNeeded = true })
	add("/close", func(o *sockjs.Options) { o.Application = sockjs.GoAway }).echo = false
	return mounts
}

// find returns the service that a path belongs to, and what it names there; nil for none.
func (g *Gateway) find(u *url.URL) (*mount, sockjs.Resource) {
	for _, m := range g.mounts {
		at, below := m.Find(u)
		switch {
		case !below:
		case m.off && at.Kind != sockjs.RawWebSocket && !at.IsBase():
			return nil, at
		default:
			return m, at
		}
	}
	return nil, sockjs.Resource{}
}

// wantsUpgrade reports whether a request asks for a WebSocket, rightly or not.
func (m *mount) wantsUpgrade(r *http.Request, at sockjs.Resource) bool {
	switch at.Kind {
	case sockjs.RawWebSocket, sockjs.WebSocket:
		return !m.NoWebSocket
	}
	upgrade := r.Header.Get("Upgrade")
	return at.IsBase() && (m.off || upgrade != "" && !strings.EqualFold(upgrade, "h2c")) && !m.NoWebSocket // clients of HTTP/2 ask everywhere
}

// admitsTo decides whether the page that a request comes from may use m.
func (g *Gateway) admitsTo(m *mount, r *http.Request, at sockjs.Resource) bool {
	switch {
	case m.public:
		return true
	case at.IsElement():
		return g.admitsElement(r)
	}
	return g.admits(r)
}

// serveSockJS answers everything at or below a service's path.
func (g *Gateway) serveSockJS(w http.ResponseWriter, r *http.Request, m *mount, at sockjs.Resource) {
	switch {
	case m.wantsUpgrade(r, at):
		g.upgradeHTTP(w, r, m, at)
	case at.Kind == sockjs.WebSocket || at.Kind == sockjs.RawWebSocket:
		http.NotFound(w, r)
	case at.Kind != sockjs.NotFound && !g.admitsTo(m, r, at):
		g.refusePage(r).Write(w)
	case at.Kind == sockjs.Receive && r.Method != http.MethodOptions:
		g.receiveHTTP(w, r, m, at)
	default:
		m.ServeHTTP(w, r, at)
	}
}
