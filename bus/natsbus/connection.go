package natsbus

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// run connects, and keeps the writer, the confirmer and the lanes until Close ends ctx. It is the
// only goroutine that the bus starts for itself; those are its own.
func (b *Bus) run() {
	defer close(b.ended)
	defer b.out.abandon()
	nc, err := nats.Connect(b.cfg.URL, b.options()...)
	if err != nil { // New has checked what can be wrong, and an unreachable server is no error here
		b.retrying(nil, err)
		<-b.ctx.Done()
		return
	}
	var wg sync.WaitGroup
	wg.Go((&confirmer{Bus: b, nc: nc}).run)
	for _, l := range b.watches.lanes {
		wg.Go(func() { l.run(b.ctx, func(msg *nats.Msg) { b.logDrop(msg.Sub) }) })
	}
	(&writer{Bus: b, nc: nc}).run()
	nc.Close() // frees the confirmer
	wg.Wait()
}

func (b *Bus) options() []nats.Option {
	options := []nats.Option{
		b.login,
		nats.Name("stompgw"),
		nats.SetCustomDialer(b.link),
		nats.SkipHostLookup(), // the dialer does it, and can be ended
		nats.Timeout(dialTimeout),
		nats.FlusherTimeout(writeTimeout),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),

		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // the password may be mended on the server
		nats.ReconnectBufSize(-1),   // the outbox is the only queue: what is in it was not sent

		nats.ConnectHandler(b.connected),
		nats.ReconnectHandler(b.connected),
		nats.DisconnectErrHandler(b.disconnected),
		nats.ReconnectErrHandler(b.retrying),
		nats.ErrorHandler(b.reported),
		nats.NoCallbacksAfterClientClose(),
	}
	if b.cfg.TLS != nil {
		options = append(options, nats.Secure(b.cfg.TLS))
	}
	return options
}

// The following run on one goroutine of nats.go, one after the other.

func (b *Bus) connected(nc *nats.Conn) {
	b.maxPayload.Store(nc.MaxPayload())
	b.refusals.reset()
	b.watches.reset()
	b.link.up()
	signal(b.out.written) // watches may wait to be confirmed
	b.log.Info("bus connected", "server", nc.ConnectedServerName())
}

func (b *Bus) disconnected(_ *nats.Conn, err error) {
	if b.ctx.Err() != nil {
		return // by Close
	}
	if err == nil {
		err = errors.New("closed by the server")
	}
	b.link.down(err)
	b.log.Warn("bus disconnected: until it is back, this node misses what others publish", "err", err)
}

func (b *Bus) retrying(_ *nats.Conn, err error) {
	if errors.Is(err, nats.ErrNoServers) {
		err = nil // the dialer knows better
	}
	if cause, first := b.link.failed(err); first {
		b.log.Warn("bus unreachable; trying on", "err", cause)
	}
}

// reported hears of what does not end the connection, and of refused credentials.
func (b *Bus) reported(_ *nats.Conn, sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		b.logDrop(sub)
	case errors.Is(err, nats.ErrPermissionViolation):
		b.notPermitted(err)
	case errors.Is(err, nats.ErrMaxSubscriptionsExceeded):
		b.log.Error("the NATS server takes no more subscriptions: some destinations bring nothing; raise its limit", "err", err)
	default:
		b.retrying(nil, err)
	}
}

// forbidden is the error about a subject that the server refused.
func (b *Bus) forbidden(subject string) error {
	return fmt.Errorf("%w: %s: grant publish and subscribe on %s.>", ErrPermission, subject, b.cfg.Prefix)
}

// notPermitted hears what the server refuses, and passes it on to who is to know.
func (b *Bus) notPermitted(err error) {
	refused, revoked := parseRefusal(err.Error()), 0
	if refused.act == subscribing {
		revoked = b.watches.deny(refused.subject, time.Now())
	}
	b.refusals.add(err, refused) // the confirmer waits for this, so it comes after deny
	if revoked > 0 {
		signal(b.out.queued) // the writer asks again
		b.logRevoked(refused.subject, revoked)
	} else if b.refusalLog.pass() {
		b.log.Error("the NATS server refuses a subject; grant publish and subscribe on "+b.cfg.Prefix+".>", "err", err)
	}
}

// logRevoked tells at most once a second that a destination brings nothing any more.
func (b *Bus) logRevoked(subject string, revoked int) {
	if b.revokedLog.pass() {
		b.log.Error("the NATS server has revoked subscriptions, which bring nothing until it permits them again; grant publish and subscribe on "+b.cfg.Prefix+".>",
			"destination", b.destinationOf(subject), "revoked", revoked)
	}
}

// logDrop tells at most once a second that deliver is too slow.
func (b *Bus) logDrop(sub *nats.Subscription) {
	if b.receiving.Load() && b.dropLog.pass() {
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
