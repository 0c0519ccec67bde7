package natsbus

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// run connects, and keeps the writer and the confirmer until Close ends ctx. It is the only
// goroutine that the bus starts for itself; those two are its own.
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
		b.refusals.add(err)
		b.logRefusal(err)
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

// logRefusal tells at most once a second that the server does not permit something.
func (b *Bus) logRefusal(err error) {
	now := time.Now()
	if now.Sub(b.lastRefusalLog) < time.Second {
		return
	}
	b.lastRefusalLog = now
	b.log.Error("the NATS server refuses a subject; grant publish and subscribe on "+b.cfg.Prefix+".>", "err", err)
}

// logDrop tells at most once a second that deliver is too slow.
func (b *Bus) logDrop(sub *nats.Subscription) {
	now := time.Now()
	if !b.receiving.Load() || now.Sub(b.lastDropLog) < time.Second {
		return
	}
	b.lastDropLog = now
	destination, ok := decodeSubject(b.cfg.Prefix, sub.Subject)
	if !ok {
		destination = sub.Subject // of this node itself
	}
	b.log.LogAttrs(b.ctx, slog.LevelWarn, "envelopes dropped: this node is too slow for what it subscribes to",
		slog.String("destination", destination), slog.Uint64("dropped", b.Dropped()))
}
