package gateway

import (
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
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
	echoStreamLimit = 4096        // bytes, as the test suites expect
	perEscape       = 6           // bytes that JSON may take for one
	pollIdle        = time.Minute // between two requests on a connection that is kept
)

// mount is a service, and what its path carries beside SockJS.
type mount struct {
	*sockjs.Service
	public bool // pages of all origins may use it
	off    bool // there is no SockJS, only a bare WebSocket
	echo   bool // a bare WebSocket gives back what it gets
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
		StreamLimit:    set.StreamLimit,
		MaxPayload:     perEscape * (g.set.limits.Message + stomp.DefaultLimits().Head),
		CookieNeeded:   set.CookieNeeded,
		ClientURL:      set.ClientURL,
		Ancestors:      g.origins.ancestors(),
	}
	mounts := []*mount{{Service: sockjs.New(options), off: g.set.sockjs == nil}}
	if g.set.sockjs == nil || !set.Echo {
		return mounts
	}
	options.Application, options.Ancestors = sockjs.Echo, ""
	add := func(path string, change func(*sockjs.Options)) *mount {
		o := options
		o.Path = path
		change(&o)
		m := &mount{Service: sockjs.New(o), public: true, echo: true}
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

// wantsUpgrade reports whether a request is to become a WebSocket, or else is faulty.
func (m *mount) wantsUpgrade(r *http.Request, at sockjs.Resource) bool {
	switch at.Kind {
	case sockjs.RawWebSocket, sockjs.WebSocket:
		return !m.NoWebSocket
	}
	return at.IsBase() && (m.off || r.Header.Get("Upgrade") != "") && !m.NoWebSocket
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

// newWebSocket returns what makes the Handler of a connection whose upgrade has been answered.
func (g *Gateway) newWebSocket(m *mount, at sockjs.Resource, host *session.Host) func(*loop.Conn) loop.Handler {
	open := func(c session.Conn) session.Peer { return m.Application(host, c) }
	return func(c *loop.Conn) loop.Handler {
		switch {
		case at.Kind == sockjs.WebSocket:
			return ws.New(c, open, m.NewContent(), &g.set.periods)
		case m.echo:
			return ws.NewEcho(c, &g.set.periods)
		}
		return ws.New(c, open, nil, &g.set.periods)
	}
}

// reword makes the refusal of an upgrade what SockJS wants at a session's own path
// ("WebsocketHttpErrors").
func reword(refusal *ws.Refusal, r *http.Request) *ws.Refusal {
	switch {
	case refusal.Status == http.StatusMethodNotAllowed:
		return &ws.Refusal{Status: refusal.Status}
	case refusal.Status == http.StatusUpgradeRequired && r.Header.Get("Upgrade") == "":
		return &ws.Refusal{Status: http.StatusBadRequest, Reason: `Can "Upgrade" only to "WebSocket".`}
	}
	return refusal
}

// receive answers a request by which a SockJS client receives, as the first on its connection or the
// next on one that is kept, without net/http: it may wait for long. It reports false if net/http
// has to word what is wrong with it.
func (f *front) receive(m *mount, at sockjs.Resource, r *http.Request, size int, b []byte) (taken int, ok bool) {
	plain := r.ProtoAtLeast(1, 1) && r.Host != "" && r.ContentLength == 0 && r.Header.Get("Expect") == ""
	if at.Kind != sockjs.Receive || !plain || !f.gateway.admitsTo(m, r, at) {
		return 0, false
	}
	rc, refusal := m.NewReceiver(r, at, f.gateway.nextFront(f.engine))
	if refusal != nil {
		return 0, false
	}
	own := f.sock.Loop()
	switch l := m.Place(rc, own, f.host, f.sock.Remote(), func() bool { return f.gateway.isFull(f.engine) }); l {
	case nil:
		return 0, false
	case own:
		f.sock.Handle(rc.Begin(f.sock))
		return size, true
	default:
		f.sock.Move(l, size, b, rc.Begin)
		return len(b), true
	}
}

// nextFront returns what handles a connection after an answer.
func (g *Gateway) nextFront(e *engine) func(*loop.Conn) loop.Handler {
	return func(c *loop.Conn) loop.Handler {
		c.SetTimer(pollIdle)
		return &front{g, e, e.hostOf(c.Loop()), c}
	}
}

// isFull reports whether a request may not begin a new session.
func (g *Gateway) isFull(e *engine) bool {
	return g.draining.Load() || e.connections() >= g.set.limits.Connections
}

// maxIgnored is the most bytes of a body that nobody has asked for.
const maxIgnored = 64 << 10

// receiveHTTP is front.receive for a request that net/http has read.
func (g *Gateway) receiveHTTP(w http.ResponseWriter, r *http.Request, m *mount, at sockjs.Resource) {
	var next func(*loop.Conn) loop.Handler // what comes next on a foreign server's connection is not ours
	e := g.engine.Load()
	if e != nil && isOwn(r) {
		next = g.nextFront(e)
	}
	rc, refusal := m.NewReceiver(r, at, next)
	if refusal != nil {
		refusal.Write(w)
		return
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxIgnored+1)); err != nil || n > maxIgnored {
		http.Error(w, "a request of this kind has no body", http.StatusRequestEntityTooLarge)
		return
	}
	var place *loop.Loop
	if e != nil {
		remote, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero value when it has none
		l, host := e.next()
		place = m.Place(rc, l, host, remote, func() bool { return g.isFull(e) })
	}
	if place == nil {
		g.refuseFull(w)
		return
	}
	nc, rest, err := hijack(w)
	if err != nil {
		http.Error(w, "this server can't let a request wait: "+err.Error(), http.StatusInternalServerError)
		return
	}
	place.AdoptConn(nc, rest, rc.Begin)
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

// ancestors says in the words of CSP's frame-ancestors whose pages may connect; empty for all. What
// CSP has no words for is left out.
func (o origins) ancestors() string {
	if o.all {
		return ""
	}
	list := []string{"'self'"}
	for _, p := range o.patterns {
		if host := strings.TrimPrefix(p.host, "*."); !strings.Contains(host, "*") {
			list = append(list, p.scheme+"://"+p.host+":"+p.port)
		}
	}
	return strings.Join(list, " ")
}
