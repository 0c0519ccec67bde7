package gateway

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/internal/front"
	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/internal/sockjs"
	"github.com/stompgw/stompgw/gateway/internal/ws"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Limits bound what clients may take from a node.
type Limits struct {
	Message        int           // bytes of one SEND's body, default 64 KiB
	Outbound       int           // bytes that may wait for one client, default 1 MiB, at least Message
	Connections    int           // at one time, default 1,000,000; more are closed at once
	ConnectTimeout time.Duration // for TLS, then for the upgrade, and then for CONNECT, default 10 s each
}

// SockJS is what a node offers to clients that can't, or don't, use a bare WebSocket.
type SockJS struct {
	Heartbeat      time.Duration // between two signs of life to a waiting client, default 25 s
	SessionTimeout time.Duration // how long a session survives without a waiting request of its client, default 5 s
	StreamLimit    int           // bytes after which a streaming response ends and the client asks again, default 128 KiB
	CookieNeeded   bool          // set and ask for the cookie JSESSIONID, which some load balancers need
	ClientURL      string        // where the page for clients of other origins loads sockjs-client from; empty means no page
	Echo           bool          // offer the services of protocol test suites: /echo, /close and so on
}

// DefaultSockJS returns the defaults.
func DefaultSockJS() SockJS {
	return SockJS{Heartbeat: 25 * time.Second, SessionTimeout: 5 * time.Second, StreamLimit: 128 << 10}
}

// in returns o with SockJS as s says.
func (s SockJS) in(o front.Options) front.Options {
	o.Echo = s.Echo
	o.SockJS.Heartbeat, o.SockJS.SessionTimeout, o.SockJS.StreamLimit = s.Heartbeat, s.SessionTimeout, s.StreamLimit
	o.SockJS.CookieNeeded, o.SockJS.ClientURL = s.CookieNeeded, s.ClientURL
	return o
}

type settings struct {
	front      front.Options
	host       session.Host // what those of the loops have in common
	origins    []string     // of front, as they were given
	memory     int          // bytes of what has history
	presence   *Presence    // nil for none
	pageAPI    *pageSource  // nil for none
	drain      time.Duration
	intercepts []Interceptor
	handlers   []handler
	patience   time.Duration // with interceptors and handlers
	failed     seldom.Line   // somebody else's code
	unread     seldom.Line   // by the page API
	newLoop    func(outbound int) (*loop.Loop, error)
}

func defaults() settings {
	const connectTimeout = 10 * time.Second
	log := slog.New(slog.DiscardHandler)
	return settings{
		front: DefaultSockJS().in(front.Options{
			Pages:   http.NotFoundHandler(),
			Periods: ws.DefaultPeriods(),
			SockJS:  sockjs.Options{Path: "/stomp", Parting: time.Second},
			Log:     log,
			Message: 64 << 10, Connections: 1e6, ConnectTimeout: connectTimeout,
		}),
		host: session.Host{
			Naming: session.Naming{Server: "stompgw/" + Version},
			Access: session.Access{Blocks: new(session.Blocks), Grace: 30 * time.Second, Now: time.Now},
			Bounds: session.Bounds{
				HeartBeat: stomp.HeartBeat{Send: 10 * time.Second, Receive: 10 * time.Second}, Hung: 10 * time.Minute,
				Outbound: 1 << 20, ConnectTimeout: connectTimeout, Ledger: session.NewLedger(),
			},
			Records: session.Records{Fallback: policy.FallbackDrop, Stats: new(session.Stats), Lines: new(session.Lines), Log: log},
		},
		memory:   64 << 20,
		drain:    10 * time.Second,
		patience: 30 * time.Second,
		newLoop:  loop.New,
	}
}

// allLines are the lines of the log that clients, and somebody else's code, can cause at will.
func (s *settings) allLines() []*seldom.Line { return append(s.host.Lines.All(), &s.failed, &s.unread) }

// Option changes a default of New.
type Option func(*settings)

// WithEndpoint sets the path at which clients connect: WebSocket there and at "<path>/websocket", and
// SockJS. Default "/stomp".
func WithEndpoint(path string) Option { return func(s *settings) { s.front.SockJS.Path = path } }

// WithOrigins adds origins whose pages may connect, beside pages of the same origin and requests
// without one: "https://app.example.com", "https://*.example.com" where * is any part of the host,
// "http://localhost:*" where it is any port, or "*" for all, which includes pages opened from disk. "null"
// is for these alone, but as good as "*": any page can show another in a frame that has this origin.
// Default none. See origin.Check.
func WithOrigins(patterns []string) Option { return func(s *settings) { s.origins = patterns } }

// WithLimits replaces the limits; see Limits for the defaults.
func WithLimits(l Limits) Option {
	return func(s *settings) {
		s.front.Message, s.front.Connections, s.front.ConnectTimeout = l.Message, l.Connections, l.ConnectTimeout
		s.host.Outbound, s.host.ConnectTimeout = l.Outbound, l.ConnectTimeout
	}
}

// WithHeartBeat sets what the node offers: how often it sends, and wants to receive, a heart-beat.
// 0 means never; default 10 s both. Clients may ask for down to 1 s.
func WithHeartBeat(send, receive time.Duration) Option {
	return func(s *settings) { s.host.HeartBeat = stomp.HeartBeat{Send: send, Receive: receive} }
}

// WithHung sets how long a session that has promised heart-beats may send no STOMP, on a connection that
// is alive, before it is closed: a page that hangs answers WebSocket pings for ever. The node waits for at
// least three of the promised periods. 0 means never; default 10 minutes.
func WithHung(d time.Duration) Option { return func(s *settings) { s.host.Hung = d } }

// WithFallback sets what happens to a refusal if the session has no subscription to the error
// destination; default policy.FallbackDrop.
func WithFallback(f policy.Fallback) Option { return func(s *settings) { s.host.Fallback = f } }

// WithHistory sets how many bytes of messages the node keeps for all channels with history together; default 64 MiB.
// The oldest messages go first. Go's memory for them may be twice as much.
func WithHistory(memory int) Option { return func(s *settings) { s.memory = memory } }

// WithDrain sets over how long a stopping node spreads the closing of its sessions; default 10 s.
// Few sessions take less: each loop closes at least ten every 100 ms.
func WithDrain(d time.Duration) Option { return func(s *settings) { s.drain = d } }

// WithLogger sets where the node logs; default nowhere. Tokens and bodies are never logged.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.front.Log, s.host.Log = l, l } }

// WithEveryLine sets whether the log has every line that a client can cause at will, which helps while a
// client is developed; default one of each kind a second, with the number of those left out.
func WithEveryLine(every bool) Option { return func(s *settings) { s.front.EveryLine = every } }

// WithPages sets what answers HTTP requests outside the endpoint; default 404.
func WithPages(h http.Handler) Option { return func(s *settings) { s.front.Pages = h } }

// WithSockJS sets what is offered beside bare WebSocket; nil means nothing. Default DefaultSockJS.
func WithSockJS(s *SockJS) Option {
	return func(set *settings) {
		if set.front.NoSockJS = s == nil; s != nil {
			set.front = s.in(set.front)
		}
	}
}

// WithAuth sets what checks the tokens of clients; default nothing, and then nobody can log in.
func WithAuth(a *auth.Authenticator) Option { return func(s *settings) { s.host.Auth = a } }

// WithAnonymous sets whether a client may connect without a valid token; default true. If not, its
// CONNECT is answered with an ERROR.
func WithAnonymous(allowed bool) Option { return func(s *settings) { s.host.LoginOnly = !allowed } }

// WithGrace sets how long after the expiry of its token a session still receives what needs a login;
// default 30 s. The client is told at the expiry, and may renew the token.
func WithGrace(d time.Duration) Option { return func(s *settings) { s.host.Grace = d } }
