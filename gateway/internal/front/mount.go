package front

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/stompgw/stompgw/gateway/internal/sockjs"
	"github.com/stompgw/stompgw/gateway/internal/ws"
	"github.com/stompgw/stompgw/gateway/stomp"
)

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
func newMounts(o *Options) []*mount {
	options := o.SockJS
	if options.Application == nil {
		options.Application = sockjs.STOMP
	}
	options.MaxPost = max(minPost, perEscape*(o.Message+stomp.DefaultLimits().Head))
	options.Ancestors = o.Origins.Ancestors()
	periods := o.Periods.WithPing(options.Heartbeat)
	mounts := []*mount{{Service: sockjs.New(options), periods: periods, off: o.NoSockJS}}
	if o.NoSockJS || !o.Echo {
		return mounts
	}
	options.Application, options.Apart, options.API = sockjs.Echo, true, nil
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
func (d *Door) find(u *url.URL) (*mount, sockjs.Resource) {
	for _, m := range d.mounts {
		at, below := m.Find(u)
		switch {
		case !below:
		case m.off && at.Kind != sockjs.RawWebSocket && at.Kind != sockjs.API && !at.IsBase():
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
func (d *Door) admitsTo(m *mount, r *http.Request, at sockjs.Resource) bool {
	switch {
	case m.public:
		return true
	case at.IsElement():
		return d.admitsElement(r)
	}
	return d.admits(r)
}

// serveMount answers everything at or below a service's path.
func (d *Door) serveMount(w http.ResponseWriter, r *http.Request, m *mount, at sockjs.Resource) {
	switch {
	case m.wantsUpgrade(r, at):
		d.upgradeHTTP(w, r, m, at)
	case at.Kind == sockjs.WebSocket || at.Kind == sockjs.RawWebSocket:
		http.NotFound(w, r)
	case at.Kind != sockjs.NotFound && !d.admitsTo(m, r, at):
		d.refusePage(r).Write(w)
	case at.Kind == sockjs.Receive && r.Method != http.MethodOptions:
		d.receiveHTTP(w, r, m, at)
	default:
		m.ServeHTTP(w, r, at)
	}
}
