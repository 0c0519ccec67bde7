package natsbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// dialTimeout bounds the making of a TCP connection, and writeTimeout a write to it. A server that
// takes no bytes for that long is as good as gone.
const (
	dialTimeout  = 2 * time.Second
	writeTimeout = 5 * time.Second
)

var errHandshake = errors.New("it accepts connections, but no NATS handshake succeeds: check user, password and TLS")

// link is what the bus knows of its connection without asking nats.go, whose lock is held while
// it dials and writes. It is nats.go's dialer too, so that Close can end both, and so that every
// connection has a number.
type link struct {
	// Set by newLink, never changed.
	ctx   context.Context // ends a dial
	addr  string          // host:port, several with commas; no credentials
	start time.Time

	upped  chan struct{} // has room for one signal: a handshake succeeded
	number atomic.Uint64 // of the latest connection dialled
	ups    atomic.Uint64 // connections that passed the handshake
	silent atomic.Int64  // nanoseconds from start to when the server had to answer and did not yet; 0: it did

	mu        sync.Mutex
	conn      net.Conn // the latest
	connected bool
	cause     error              // why not connected
	reason    error              // of a failed handshake since the last connection, as far as nats.go told
	unproven  bool               // conn has yet to pass the handshake
	told      bool               // the log knows of the outage
	endAsk    context.CancelFunc // of the latest whileUp
}

func newLink(ctx context.Context, addr string) *link {
	l := &link{
		ctx:   ctx,
		addr:  addr,
		start: time.Now(),
		upped: make(chan struct{}, 1),
		cause: errors.New("not tried yet"),
	}
	l.asked()
	return l
}

// Dial implements nats.CustomDialer.
func (l *link) Dial(network, address string) (net.Conn, error) {
	l.number.Add(1)
	l.mu.Lock()
	if l.unproven {
		l.cause = l.handshakeFailed()
	}
	l.unproven = false
	l.mu.Unlock()
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(l.ctx, network, address)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.cause = err
		return nil, err
	}
	if l.ctx.Err() != nil { // Close has passed here, and would not find conn
		conn.Close()
		return nil, l.ctx.Err()
	}
	l.conn, l.unproven = conn, true
	return fragile{conn}, nil
}

// handshakeFailed is for a connection that was replaced without a word of why. nats.go tells the
// reason of the first failure alone, which most often is that of the others too.
func (l *link) handshakeFailed() error {
	if l.reason == nil {
		return errHandshake
	}
	return fmt.Errorf("%w; one failed with: %w", errHandshake, l.reason)
}

// fragile is a connection that does not survive a failed write. nats.go goes on after one, having
// dropped what it could not write, and would take the answer to a later PING for the lost one's.
type fragile struct{ net.Conn }

func (f fragile) Write(p []byte) (int, error) {
	n, err := f.Conn.Write(p)
	if err != nil {
		f.Conn.Close() // its error would say no more than err
	}
	return n, err
}

// hangUp closes the connection; nats.go then makes a new one, unless the bus is closed.
func (l *link) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Close() // whoever reads or writes it learns of it
	}
}

// up notes that a handshake succeeded.
func (l *link) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected, l.unproven, l.told, l.cause, l.reason = true, false, false, nil, nil
	l.silent.Store(0)
	l.ups.Add(1)
	signal(l.upped)
}

// reconnects returns how many connections were made after the first one.
func (l *link) reconnects() uint64 {
	return max(l.ups.Load(), 1) - 1
}

// whileUp returns a context that ends with the connection, and after timeout. There is one at a
// time. nats.go would let a PING wait for the next connection.
func (l *link) whileUp(timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(l.ctx, timeout)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endAsk = cancel
	return ctx, cancel
}

// down notes that the connection broke.
func (l *link) down(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.endAsk != nil {
		l.endAsk()
	}
	l.connected, l.told, l.cause = false, true, cause
	l.asked()
}

// failed notes why a connection could not be made; nil is for what the dialer saw. It returns the
// cause, and whether this is the first failure since there was a connection.
func (l *link) failed(err error) (cause error, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connected || l.ctx.Err() != nil {
		return nil, false // of an older connection, or of Close
	}
	if err != nil {
		l.cause, l.unproven = err, false
		if dial := (*net.OpError)(nil); !errors.As(err, &dial) || dial.Op != "dial" {
			l.reason = err
		}
	}
	first, l.told = !l.told, true
	return l.cause, first
}

// asked notes that the server has to answer from now on.
func (l *link) asked() {
	l.silent.CompareAndSwap(0, max(1, int64(time.Since(l.start))))
}

// answered notes that it did.
func (l *link) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connected { // else the answer is older than the end of the connection
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
	if !l.connected {
		return fmt.Errorf("natsbus: no connection to %s: %w", l.addr, l.cause)
	}
	if silence := l.silence(); silence >= limit {
		return fmt.Errorf("natsbus: %s is connected but has not answered for %s", l.addr, silence.Round(time.Second/10))
	}
	return nil
}

// addresses returns the hosts and ports of urls, to show them without the credentials.
func addresses(urls string) (string, error) {
	var hosts []string
	for text := range strings.SplitSeq(urls, ",") {
		text = strings.TrimSpace(text)
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return "", errors.New("natsbus: url: want nats://[user:password@]host:port or tls://..., several with commas between (not shown, as it may hold a password)")
		}
		hosts = append(hosts, u.Host)
	}
	return strings.Join(hosts, ","), nil
}
