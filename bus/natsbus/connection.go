package natsbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// conn is one connection to a server, from its handshake to its end, whatever ends it: nats.go, left
// to make it anew, does so after some errors and after others never again.
type conn struct {
	nc         *nats.Conn
	server     address
	secure     bool         // over TLS
	maxPayload atomic.Int64 // in bytes, as the server tells
	maxSubject int          // in bytes, as it was found to take (limits.go)
	ended      chan struct{}
	said       error // by the server, of who may use it; read when ended is closed

	subscribed atomic.Int64 // subscriptions that the writer has made on it, and one more
	answered   atomic.Int64 // those that the server has answered to; 0 before its first answer
	refused    atomic.Int64 // those that it did not take, as it takes no more (crowd.go)
}

// connect makes a connection to one server.
func (b *Bus) connect(s address) (*conn, error) {
	c := &conn{server: s, maxSubject: maxSubject, ended: make(chan struct{})}
	c.subscribed.Store(1)
	nc, err := nats.Connect(s.url.String(), append(b.options(s),
		// These run on one goroutine of nats.go, one after the other.
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { b.reported(c, sub, err) }),
		nats.ClosedHandler(func(*nats.Conn) { close(c.ended) }),
	)...)
	if errors.Is(err, nats.ErrNoServers) { // the dialer knows better
		return nil, b.link.dialError()
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
	c.maxPayload.Store(nc.MaxPayload())
	return c, nil
}

func (b *Bus) options(s address) []nats.Option {
	access := b.access.Load()
	options := []nats.Option{
		access.login,
		nats.Name("stompgw"),
		nats.SetCustomDialer(b.link),
		nats.SkipHostLookup(), // the dialer does it, and can be ended
		nats.Timeout(dialTimeout),
		nats.FlusherTimeout(writeTimeout),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.NoReconnect(),          // the next one is another conn
		nats.IgnoreAuthErrorAbort(), // the server closes the connection, after it said why
	}
	switch {
	case s.name != "":
		cfg := &tls.Config{MinVersion: tls.VersionTLS12}
		if access.tls != nil {
			cfg = access.tls.Clone()
		}
		if cfg.ServerName == "" {
			cfg.ServerName = s.name
		}
		options = append(options, nats.Secure(cfg))
	case access.tls != nil:
		options = append(options, nats.Secure(access.tls))
	}
	return options
}

// close ends the connection.
func (c *conn) close() {
	c.nc.Close()
	<-c.ended
}

func (c *conn) isOver() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
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
	case !strings.HasPrefix(text, "nats: "), isPassing(err):
		return noFault
	}
	return otherFault
}

// isPassing reports whether err says nothing against what was written.
func isPassing(err error) bool {
	for _, passing := range []error{
		nats.ErrStaleConnection, nats.ErrMaxConnectionsExceeded, nats.ErrMaxAccountConnectionsExceeded,
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		nats.ErrPermissionViolation, nats.ErrMaxSubscriptionsExceeded, nats.ErrSlowConsumer, nats.ErrConnectionClosed,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// Between two attempts to connect is a pause that grows from shortPause to longPause, and half as much more
// by chance, until a connection has brought an answer; there is none after one that has lasted for longer.
const (
	shortPause = 100 * time.Millisecond
	longPause  = 2 * time.Second
)

// keepConnected makes one connection after the other until Close ends ctx. Nothing that a server does
// ends it.
func (b *Bus) keepConnected() {
	pause := shortPause
	for b.ctx.Err() == nil {
		c, err := b.dial()
		if err != nil {
			b.unreachable(err)
		} else {
			lasted := b.use(c)
			if c.answered.Load() > 0 {
				pause = shortPause
			}
			if lasted > longPause {
				continue
			}
		}
		await(b.ctx, time.After(pause+rand.N(pause/2)))
		pause = min(2*pause, longPause)
	}
}

// dial returns a connection to the first server that takes one, and that has nothing on it yet.
func (b *Bus) dial() (c *conn, err error) {
	for range b.pool.len() {
		if c, err = b.connect(b.pool.next()); err == nil {
			if c, err = b.learn(c); err == nil {
				return c, nil
			}
		}
	}
	return nil, err
}

func (b *Bus) unreachable(err error) {
	if b.ctx.Err() == nil && b.link.failed(err) {
		b.log.Warn("bus unreachable; trying on", "err", err)
	}
}

// use has c be the connection until it ends, and returns how long it has lasted.
func (b *Bus) use(c *conn) time.Duration {
	begin := time.Now()
	b.takes(c)
	gap := b.link.up(c)
	signal(b.out.queued) // the writer subscribes
	if gap == 0 {
		b.log.Info("bus connected", "server", c.nc.ConnectedServerName())
	} else {
		b.log.Warn("bus connected: what others published meanwhile, this node has missed",
			"server", c.nc.ConnectedServerName(), "gap", gap.Round(time.Millisecond))
	}
	outdated := false
	for !outdated && b.outlives(c) {
		outdated = b.look(c)
	}
	c.close()
	b.pool.learn(c)
	_, err := c.why()
	if outdated {
		err = errOutdated
	}
	b.link.down(err)
	if b.ctx.Err() == nil {
		b.log.Warn("bus disconnected: until it is back, this node misses what others publish", "err", err)
	}
	return time.Since(begin)
}

// outlives waits until c has ended, or the bus is closed, and returns false; or true when it is time
// to look whether the server takes more than c knows.
func (b *Bus) outlives(c *conn) bool {
	var due <-chan time.Time
	for {
		select {
		case <-b.refusedByLimit:
			due = time.After(time.Until(b.nextLook))
		case <-due:
			return true
		case <-c.ended:
			return false
		case <-b.ctx.Done():
			return false
		}
	}
}

// reported hears of what does not end c, and of refused credentials.
func (b *Bus) reported(c *conn, sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		b.logDrop(sub)
	case errors.Is(err, nats.ErrPermissionViolation):
		b.notPermitted(err)
	case errors.Is(err, nats.ErrMaxSubscriptionsExceeded):
		c.refused.Add(1)
		signal(b.out.queued) // the writer leaves it
	default:
		c.said = err
	}
}

// forbidden is the error about a subject that the server refused.
func (b *Bus) forbidden(subject string) error {
	return fmt.Errorf("%w: %s: grant publish and subscribe on %s.>", ErrPermission, subject, b.cfg.Prefix)
}

// notPermitted hears what the server refuses, and passes it on to who is to know.
func (b *Bus) notPermitted(err error) {
	refused := parseRefusal(err.Error())
	if b.isProbe(refused.subject) {
		return
	}
	destination, revoked := b.destinationOf(refused.subject), false // before the watch is gone
	if refused.act == subscribing {
		revoked = b.watches.deny(refused.subject, b.forbidden(refused.subject))
	}
	b.refusals.add(err, refused) // the confirmer waits for this, so it comes after deny
	if left, ok := b.refusalLog.Pass(); ok {
		b.log.Error("the NATS server refuses a subject; grant publish and subscribe on "+b.cfg.Prefix+".>",
			"destination", destination, "revoked", revoked, "err", err, "left_out", left)
	}
}

// logDrop tells at most once a second that deliver is too slow.
func (b *Bus) logDrop(sub *nats.Subscription) {
	if !b.receiving.Load() {
		return
	}
	if _, ok := b.dropLog.Pass(); ok {
		b.log.Warn("envelopes dropped: this node is too slow for what it subscribes to",
			"destination", b.destinationOf(sub.Subject), "dropped", b.Dropped())
	}
}

// destinationOf returns what to call subject in the log.
func (b *Bus) destinationOf(subject string) string {
	if destination, ok := decodeSubject(b.cfg.Prefix, subject); ok {
		return destination
	}
	if watch := b.watches.name(subject); watch != "" {
		return watch // a pattern
	}
	return subject // of this node itself
}
