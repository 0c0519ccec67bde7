package natsbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialTimeout bounds the making of a TCP connection, and writeTimeout a write to it. A server that
// takes no bytes for that long is as good as gone. lastWords is how long is listened to a server that
// takes none any more.
const (
	dialTimeout  = 2 * time.Second
	writeTimeout = 5 * time.Second
	lastWords    = time.Second
)

// link is what the bus knows of its connection without asking nats.go, whose lock is held while
// it writes. It is nats.go's dialer too, so that Close can end a dial and a handshake.
type link struct {
	// Set by newLink, never changed.
	ctx   context.Context // ends a dial
	addr  string          // host:port, several with commas; no credentials
	start time.Time

	upped   chan struct{}        // has room for one signal: there is another current connection
	current atomic.Pointer[conn] // nil: none
	ups     atomic.Uint64        // connections that there were
	silent  atomic.Int64         // nanoseconds from start to when the server had to answer and did not yet; 0: it did

	mu      sync.Mutex
	sockets map[*socket]struct{} // open ones: the connection's, and that of a look at the limits
	refused error                // why the latest dial failed
	cause   error                // why there is no connection
	told    bool                 // the log knows of the outage
	lost    time.Time            // when the latest connection ended
}

func newLink(ctx context.Context, addr string) *link {
	l := &link{
		ctx:     ctx,
		addr:    addr,
		start:   time.Now(),
		upped:   make(chan struct{}, 1),
		sockets: map[*socket]struct{}{},
		cause:   errors.New("not tried yet"),
	}
	l.asked()
	return l
}

// Dial implements nats.CustomDialer.
func (l *link) Dial(network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(l.ctx, network, address)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.refused = err
		return nil, err
	}
	if l.ctx.Err() != nil { // hangUp has passed here, and would not find conn
		conn.Close()
		return nil, l.ctx.Err()
	}
	s := &socket{Conn: conn, link: l}
	l.sockets[s] = struct{}{}
	return s, nil
}

// dialError returns why the latest dial failed.
func (l *link) dialError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// socket is a connection that does not survive a failed write. nats.go goes on after one, having
// dropped what it could not write, and would take the answer to a later PING for the lost one's.
type socket struct {
	net.Conn
	link *link
}

// Write ends the connection when it fails; but what the server said last is heard, as it may be why.
func (s *socket) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if err != nil {
		s.Conn.SetReadDeadline(time.Now().Add(lastWords)) // its error would say no more than err
	}
	return n, err
}

func (s *socket) Close() error {
	s.link.mu.Lock()
	delete(s.link.sockets, s)
	s.link.mu.Unlock()
	return s.Conn.Close()
}

// hangUp closes all connections, and with them frees whoever is stuck in a write or a handshake.
func (l *link) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.sockets {
		s.Conn.Close() // whoever reads or writes it learns of it
	}
}

// up makes c the current connection, and returns for how long there was none; 0 is for the first.
func (l *link) up(c *conn) (gap time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.lost.IsZero() {
		gap = time.Since(l.lost)
	}
	l.told, l.cause = false, nil
	l.silent.Store(0)
	l.current.Store(c)
	l.ups.Add(1)
	signal(l.upped)
	return gap
}

// reconnects returns how many connections were made after the first one.
func (l *link) reconnects() uint64 {
	return max(l.ups.Load(), 1) - 1
}

// down notes that the current connection has ended.
func (l *link) down(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.Store(nil)
	l.told, l.cause, l.lost = true, cause, time.Now()
	l.asked()
}

// failed notes why a connection could not be made, and returns whether this is the first failure
// since there was a connection.
func (l *link) failed(cause error) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cause = cause
	first, l.told = !l.told, true
	return first
}

// asked notes that the server has to answer from now on.
func (l *link) asked() {
	l.silent.CompareAndSwap(0, max(1, int64(time.Since(l.start))))
}

// answered notes that it did, on c.
func (l *link) answered(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.Load() == c { // else the answer is older than the end of the connection
		l.silent.Store(0)
	}
}

// silence returns for how long the server has owed an answer.
func (l *link) silence() time.Duration {
	since := l.silent.Load()
	if since == 0 {
		return 0
	}
	return time.Since(l.start) - time.Duration(since)
}

// healthy returns nil while the server answers within limit.
func (l *link) healthy(limit time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.Load() == nil {
		return fmt.Errorf("natsbus: no connection to %s: %w", l.addr, l.cause)
	}
	if silence := l.silence(); silence >= limit {
		return fmt.Errorf("natsbus: %s is connected but has not answered for %s", l.addr, silence.Round(time.Second/10))
	}
	return nil
}
