// Package front is the gateway's front door. It accepts connections, finds out what each wants, and gives it to a
// loop, with a session if it brings one.
//
// On the port for plain STOMP this happens at once. On the port for HTTP a visitor waits for the head of a request:
// an upgrade, and a request by which a SockJS client receives, are answered in place, on the loop. Everything else
// goes to net/http with the bytes that were read, and comes back through ServeHTTP, which also words what is wrong
// with any request; an upgrade or a receiver that comes that way is taken over and also goes to a loop.
//
// When the node stops, the door admits nobody, and sends those already there away in groups (Drain).
package front

import (
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/internal/sockjs"
	"github.com/stompgw/stompgw/gateway/internal/ws"
	"github.com/stompgw/stompgw/gateway/origin"
)

// Options are what a Door is told.
type Options struct {
	Pages          http.Handler // answers what is outside the endpoint
	Origins        origin.List
	Connections    int            // at one time
	ConnectTimeout time.Duration  // for TLS, and then for the head of a request
	Message        int            // bytes of one SEND's body
	Periods        ws.Periods     // of bare WebSockets
	SockJS         sockjs.Options // of the endpoint, without what follows from the others
	NoSockJS       bool           // the endpoint is a bare WebSocket alone
	Echo           bool           // there are the services of protocol test suites
	Log            *slog.Logger
	EveryLine      bool // in the log, of those that strangers cause
}

// Door is where the clients of a node come in. Its methods may be called from any goroutine.
type Door struct {
	Options
	mounts   []*mount
	lines    lines
	house    atomic.Pointer[house] // nil before Open
	stopping atomic.Bool
}

// lines are what the log says, once a second at most, of what strangers cause.
type lines struct{ full, pause, page, lost seldom.Line }

func (l *lines) all() []*seldom.Line { return []*seldom.Line{&l.full, &l.pause, &l.page, &l.lost} }

// house is what a Door leads into.
type house struct {
	loops     []*loop.Loop
	hosts     []*session.Host // by loop
	turn      atomic.Uint64   // whose turn it is to get a connection
	http      *handoff
	isShut    atomic.Bool  // no session needs the port for HTTP any more
	elsewhere atomic.Int64 // connections that no loop has: in net/http, or in a TLS handshake
}

// New makes a Door that leads nowhere yet.
func New(o Options) *Door {
	d := &Door{Options: o, mounts: newMounts(&o)}
	for _, line := range d.lines.all() {
		line.Always = o.EveryLine
	}
	return d
}

// Close has the log say what it has put off. It comes when nobody uses the Door any more.
func (d *Door) Close() {
	for _, line := range d.lines.all() {
		line.Close()
	}
}

// Open leads who comes in to loops, each of which has its host.
func (d *Door) Open(loops []*loop.Loop, hosts []*session.Host) {
	d.house.Store(&house{loops: loops, hosts: hosts, http: newHandoff()})
}

// Stop lets no session in from now on.
func (d *Door) Stop() { d.stopping.Store(true) }

// Stopping reports whether Stop has been called.
func (d *Door) Stopping() bool { return d.stopping.Load() }

// ServeHTTP answers what is at or below the endpoint, and everything else as Pages does.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m, at := d.find(r.URL)
	switch {
	case d.turnsAway(m, at) && (m != nil || isOwn(r)):
		d.refuseFull(w)
		return
	case m == nil:
		d.Pages.ServeHTTP(w, r)
		return
	case isOwn(r) && d.Stopping():
		w.Header().Set("Connection", "close") // see nextVisitor
	}
	d.serveMount(w, r, m, at)
}

// turnsAway reports whether the node stops, and a request is none of a SockJS session that it has.
func (d *Door) turnsAway(m *mount, at sockjs.Resource) bool {
	return d.Stopping() && (m == nil || !m.Has(at))
}

// Connections is how many there are, those that no loop has included.
func (d *Door) Connections() int {
	h := d.house.Load()
	return h.connections() + int(h.elsewhere.Load())
}

// isFull reports whether a request may not begin a new session.
func (d *Door) isFull() bool {
	h := d.house.Load()
	return h == nil || d.Stopping() || h.connections() >= d.Options.Connections
}

// connections is how many the loops have; a SockJS session over HTTP is one of its own.
func (h *house) connections() int {
	n := 0
	for _, l := range h.loops {
		n += l.Len()
	}
	return n
}

// next returns the loop that gets the next connection, and its host.
func (h *house) next() (*loop.Loop, *session.Host) {
	i := h.turn.Add(1) % uint64(len(h.loops))
	return h.loops[i], h.hosts[i]
}

// hostOf returns the host of a loop.
func (h *house) hostOf(l *loop.Loop) *session.Host { return h.hosts[slices.Index(h.loops, l)] }
