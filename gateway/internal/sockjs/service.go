package sockjs

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
)

// Application makes what a connection carries.
type Application func(*session.Host, session.Conn) session.Peer

// maxApart is the most bytes of a message for an Application that wants it by itself.
const maxApart = 1 << 20

// Options are what services differ in.
type Options struct {
	Path           string // of the service, such as "/stomp"
	Application    Application
	Heartbeat      time.Duration // after which an open receiver is sent a frame that means nothing
	SessionTimeout time.Duration // that a session lives on without a receiver
	Parting        time.Duration // that a node which stops waits for the client of a session to ask, and be told
	StreamLimit    int           // bytes of frames after which an answer that streams ends, and the client asks again
	MaxPost        int           // bytes of a post's body; of all that are held at a time it is 16 times that
	Apart          bool          // the Application wants each message by itself; otherwise their text is one stream
	NoWebSocket    bool
	API            http.Handler // answers at /api/{name}, where there is no SockJS in it; nil for none
	CookieNeeded   bool         // answers about a session set the cookie that some load balancers go by
	ClientURL      string       // where iframe pages load the client library from
	Ancestors      string       // who may show iframe pages, in the words of CSP's frame-ancestors; empty for all
}

// Service is SockJS below one path. Its methods may be called from any goroutine.
type Service struct {
	Options
	base       []string // the path's segments
	transports []*transport
	held       atomic.Int64 // bytes of posts

	mu     sync.Mutex
	conns  map[string]*Conn // by session id
	shared map[*loop.Loop]*shared
}

// New makes a service.
func New(o Options) *Service {
	s := &Service{Options: o, transports: receiving(), conns: map[string]*Conn{}, shared: map[*loop.Loop]*shared{}}
	s.base, _ = segments(strings.TrimSuffix(o.Path, "/"))
	return s
}

// Place says on which loop r has to begin: that of its session, which is made if there is none. A
// new session is made on l, with its host, unless full says that the node takes no more: then Place
// returns nil. remote says where the request came from.
func (s *Service) Place(r *Receiver, l *loop.Loop, host *session.Host, remote func() netip.AddrPort, full func() bool) *loop.Loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conns[r.session]
	if c == nil {
		if full() {
			return nil
		}
		c = &Conn{
			service: s, id: strings.Clone(r.session), // not the whole path with it
			transport: r.transport.name, loop: l, host: host, remote: remote(), shared: s.shared[l],
		}
		if c.shared == nil {
			c.shared = &shared{}
			s.shared[l] = c.shared
		}
		// What the request waits for may never come. The time-out of the session takes care of it.
		if !l.Post(c.start) {
			return nil
		}
		s.conns[c.id] = c
	}
	r.conn, r.session = c, c.id
	return c.loop
}

// conn returns the connection of a session, nil if there is none.
func (s *Service) conn(id string) *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[id]
}

// Has reports whether r is a request of a session over HTTP that there is.
func (s *Service) Has(r Resource) bool {
	return (r.Kind == Receive || r.Kind == Send) && s.conn(r.session) != nil
}

// Len is how many sessions over HTTP there are.
func (s *Service) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// forget makes the id of c free.
func (s *Service) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.id] == c {
		delete(s.conns, c.id)
	}
}

// STOMP is the Application of the endpoint.
func STOMP(host *session.Host, c session.Conn) session.Peer { return session.New(host, c) }
