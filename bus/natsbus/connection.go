package natsbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// dialTimeout bounds the making of a TCP connection, and writeTimeout a write to it. A server that
// takes no bytes for that long is as good as gone. lastWords is how long is listened to a server that
// takes none any more.
const (
	dialTimeout  = 2 * time.Second
	writeTimeout = 5 * time.Second
	lastWords    = time.Second
)

// conn is one connection to a server, from its handshake to its end, whatever ends it: nats.go, left
// to make it anew, does so after some errors and after others never again.
type conn struct {
	nc         *nats.Conn
	server     address
	secure     bool          // over TLS
	maxSubject int           // in bytes, as it was found to take (limits.go)
	ended      chan struct{} // closed when it has
	said       error         // by the server, of who may use it; read when ended is closed

	// Of its making; Dial runs within connect.
	ctx     context.Context // ends it
	socket  *socket
	refused error // why Dial failed

	inbox string // where the stream answers to what is published; the writer's

	subscribed atomic.Int64 // subscriptions that the writer has made on it, and one more
	answered   atomic.Int64 // those that the server has answered to; 0 before its first answer
	surplus    atomic.Int64 // those that it did not take, as it takes no more
	confirmed  int          // bytes of the largest body that the server has confirmed; the confirmer's
	served     bool         // it has survived what is subscribed at first; run's
	refusals   refusals
}

// connect makes a connection to one server.
func (b *Bus) connect(s address) (*conn, error) {
	c := &conn{server: s, maxSubject: maxSubject, ended: make(chan struct{}), ctx: b.ctx, refusals: refusals{counts: make(map[string]int)}}
	c.subscribed.Store(1)
	nc, err := nats.Connect(s.url.String(), append(b.options(s),
		nats.SetCustomDialer(c),
		// These run on one goroutine of nats.go, one after the other.
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { b.reported(c, sub, err) }),
		nats.ClosedHandler(func(*nats.Conn) { close(c.ended) }),
	)...)
	if errors.Is(err, nats.ErrNoServers) { // Dial knows better
		return nil, c.refused
	}
	if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("the NATS handshake with %s fails: check user, password and TLS: %w", s.url.Host, err)
	}
	c.nc = nc
	_, plain := nc.TLSConnectionState()
	c.secure = plain == nil
	return c, nil
}

func (b *Bus) options(s address) []nats.Option {
	access := b.access.Load()
	options := []nats.Option{
		access.login,
		nats.Name("stompgw"),
		nats.SkipHostLookup(), // Dial does it, and can be ended
		nats.CustomInboxPrefix(b.inbox),
		nats.Timeout(dialTimeout),
		nats.FlusherTimeout(writeTimeout),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.NoReconnect(),          // the next one is another conn
		nats.IgnoreAuthErrorAbort(), // the server closes the connection, after it said why
	}
	cfg := access.tls
	if s.name != "" {
		if cfg = cfg.Clone(); cfg == nil {
			cfg = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if cfg.ServerName == "" {
			cfg.ServerName = s.name
		}
	}
	if cfg != nil {
		options = append(options, nats.Secure(cfg))
	}
	return options
}

// Dial implements nats.CustomDialer.
func (c *conn) Dial(network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	tcp, err := dialer.DialContext(c.ctx, network, address)
	if c.refused = err; err != nil {
		return nil, err
	}
	c.socket = &socket{tcp, context.AfterFunc(c.ctx, func() { tcp.Close() })}
	return c.socket, nil
}

// socket is a TCP connection that does not survive a failed write, nor the end of the bus. nats.go goes on
// after a failed write, having dropped what it could not write, and would take the answer to a later PING
// for the lost one's.
type socket struct {
	net.Conn
	forget func() bool // that the end of the bus closes it
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
	s.forget()
	return s.Conn.Close()
}

// close ends the connection. Then all that the server has said is reported.
func (c *conn) close() {
	c.nc.Close()
	<-c.ended
}

// flush returns nil when the server has answered to all that was written to c.
func (c *conn) flush(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return c.nc.FlushWithContext(ctx)
}

// fault is what of that which was written to it made a server close a connection.
type fault int

const (
	noFault     fault = iota // it was not that, or nobody knows
	overPayload              // an envelope that is too large
	overLine                 // a subject that is too long
	otherFault               // something else, that the server has a word for
)

// why returns what the server's last word on c, which has ended, was about, and that word.
func (c *conn) why() (fault, error) {
	err := c.nc.LastError()
	if c.said != nil && (err == nil || errors.Is(err, io.EOF)) {
		err = c.said
	}
	if err == nil {
		err = errors.New("closed by the server")
	}
	return faultOf(err), err
}

// faultOf tells from its text what err, with which nats.go closed a connection, is about: there are
// no other signs of an error that it does not know.
func faultOf(err error) fault {
	text := strings.ToLower(err.Error())
	switch {
	case strings.Contains(text, "maximum payload"):
		return overPayload
	case strings.Contains(text, "maximum control line"):
		return overLine
	case !strings.HasPrefix(text, "nats: "):
		return noFault
	}
	passing := []error{ // they say nothing against what was written
		nats.ErrStaleConnection, nats.ErrMaxConnectionsExceeded, nats.ErrMaxAccountConnectionsExceeded,
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		nats.ErrPermissionViolation, nats.ErrMaxSubscriptionsExceeded, nats.ErrSlowConsumer, nats.ErrConnectionClosed,
	}
	if slices.ContainsFunc(passing, func(word error) bool { return errors.Is(err, word) }) {
		return noFault
	}
	return otherFault
}

// reported hears of what does not end c, and of refused credentials.
func (b *Bus) reported(c *conn, sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		b.watches.slowed(sub)
		b.dropped(sub)
	case errors.Is(err, nats.ErrPermissionViolation):
		b.notPermitted(c, err)
	case errors.Is(err, nats.ErrMaxSubscriptionsExceeded):
		c.surplus.Add(1)
		signal(b.out.queued) // the writer leaves c
	default:
		c.said = err
	}
}

// notPermitted hears what the server refuses, and passes it on to who is to know.
func (b *Bus) notPermitted(c *conn, err error) {
	refused := parseRefusal(err.Error())
	if strings.HasPrefix(refused.subject, b.probe) || strings.HasPrefix(refused.subject, electedSubject) {
		return
	}
	destination, revoked := b.destinationOf(refused.subject), false // before the watch is gone
	if w, _ := b.watches.of(refused.subject); w != nil && refused.act == subscribing {
		revoked = b.deny(w, b.forbidden(refused.subject))
	}
	c.refusals.add(err, refused) // the confirmer waits for this, so it comes after deny
	if left, ok := b.refusalLog.Pass(); ok {
		b.log.Error("the NATS server refuses a subject; grant publish and subscribe on "+b.cfg.Prefix+".>",
			"destination", destination, "revoked", revoked, "err", err, "left_out", left)
	}
}

// forbidden is the error about a subject that the server refused.
func (b *Bus) forbidden(subject string) error {
	return fmt.Errorf("%w: %s: grant publish and subscribe on %s.>", ErrPermission, subject, b.cfg.Prefix)
}

// dropped has the trail of sub, of which something was dropped, ask for it, and the log tell at most once a second that deliver
// is too slow.
func (b *Bus) dropped(sub *nats.Subscription) {
	b.droppedFrom(sub)
	if !b.receiving.Load() {
		return
	}
	if _, ok := b.dropLog.Pass(); ok {
		b.log.Warn("envelopes dropped: this node is too slow for what it subscribes to",
			"destination", b.destinationOf(sub.Subject), "dropped", b.watches.dropped())
	}
}

// destinationOf returns what to call subject in the log.
func (b *Bus) destinationOf(subject string) string {
	if destination, ok := decodeSubject(b.cfg.Prefix, subject); ok {
		return destination
	}
	if w, _ := b.watches.of(subject); w != nil && w.destination != "" {
		return w.destination // a pattern
	}
	return subject // of this node itself
}
