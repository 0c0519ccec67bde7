// Package natsbus carries envelopes over core NATS.
//
// # Subjects
//
// A broadcast goes to <prefix>.d.<tokens>, so that "nats pub stomp.d.topic.chat hi" reaches
// /topic/chat; subject.go tells how any destination becomes a subject, and back. A node subscribes
// only to what it watches; a pattern is a subject with wildcards. An individual envelope goes to <prefix>.n.<node>, the subject of the
// node that holds the principal's session, which every receiving node subscribes to.
//
// # Messages
//
// The payload is the body. Header entries are NATS headers, as headers.go tells: an envelope
// without any is a plain PUB, and plain NATS headers of a foreign publisher become header entries.
//
// # Answers
//
// Core NATS does not acknowledge a PUB, but it answers a PING after all that came before it on the
// connection. One goroutine (writer.go) writes subscriptions and envelopes in the order they came;
// another (confirm.go) sends one PING at a time and settles what was written before it. What was
// written to a connection that then broke has an unknown outcome and is not written again; what
// was not written waits for the next connection. What the server does not permit, it says before it
// answers the PING: that envelope's done, or that watch's ready, hears ErrPermission (refusals.go).
// What it permits and revokes later is asked for again each second (revoked.go).
//
// # Memory
//
// Config.Queue and Config.Bytes bound what waits for the server, Config.Inbox and Config.InboxBytes
// what waits for deliver (lane.go). Besides, each lane holds the envelope being delivered, and what
// nats.go read since the lane's goroutine last ran, at most Config.Inbox envelopes.
package natsbus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// ErrDestination reports a destination that makes too long a subject for a NATS server.
var ErrDestination = errors.New("natsbus: destination too long")

// Config says where the broker is, and bounds what the bus holds. A field that is zero, or below,
// takes its default.
type Config struct {
	URL        string        // nats://[user:password@]host:port, or tls://; several with commas; default nats://127.0.0.1:4222
	User       string        // with Password; one way to log in of this, the next three, and what stands in URL
	Password   string        // of User
	Token      string        // a bearer token
	NKey       string        // the seed of a user, SU...
	Creds      string        // what a creds file holds: the JWT of a user, and its seed
	TLS        *tls.Config   // nil: with the system's roots if URL says tls:// or the server asks for it; else it is a must
	Prefix     string        // first token or tokens of every subject, default "stomp"
	Queue      int           // envelopes published and not answered, default 4096
	Bytes      int           // of their bodies and headers, default 32 MiB
	Inbox      int           // envelopes waiting for deliver, in each of four lanes, default 8192; more are dropped
	InboxBytes int           // of memory they take, each lane a quarter, default 256 MiB; more are dropped, but for one in each lane
	Silence    time.Duration // of the server, after which Publish refuses, default 5s
	Deadline   time.Duration // of silence, after which what waits for an answer is given up, default 30s
	Linger     time.Duration // that a subscription outlives Unwatch, default 2s
}

func (cfg Config) withDefaults() Config {
	orElse(&cfg.URL, nats.DefaultURL)
	orElse(&cfg.Prefix, "stomp")
	orElse(&cfg.Queue, 4096)
	orElse(&cfg.Bytes, 32<<20)
	orElse(&cfg.Inbox, 8192)
	orElse(&cfg.InboxBytes, 256<<20)
	orElse(&cfg.Silence, 5*time.Second)
	orElse(&cfg.Deadline, 30*time.Second)
	orElse(&cfg.Linger, 2*time.Second)
	return cfg
}

func orElse[T cmp.Ordered](field *T, value T) {
	var zero T
	if *field <= zero {
		*field = value
	}
}

// Bus is one node's end of the broker. It implements bus.Bus, bus.Narrower and bus.Measured.
type Bus struct {
	// Set by New, never changed.
	cfg    Config
	own    string      // the subject of what is meant for this node's principals
	login  nats.Option // nil for none
	log    *slog.Logger
	ctx    context.Context // ends when Close has waited enough
	cancel context.CancelFunc
	ended  chan struct{} // closed when run has returned

	// Any goroutine; each guards itself.
	out        *outbox
	watches    *watches
	link       *link
	refusals   *refusals
	maxPayload atomic.Int64 // of the server, in bytes; 0 before the first connection
	receiving  atomic.Bool
	skipped    atomic.Uint64 // messages of foreign publishers that can't be understood
	dropLog    gate
	refusalLog gate
	revokedLog gate
}

// New returns the bus of node, which is "<epoch>/<uuid>". It connects in the background, for ever
// and without a word from the caller: Healthy tells how that goes. The error is about cfg or node.
func New(cfg Config, node string, log *slog.Logger) (*Bus, error) {
	cfg = cfg.withDefaults()
	if err := checkPrefix(cfg.Prefix); err != nil {
		return nil, err
	}
	addr, err := addresses(cfg.URL)
	if err != nil {
		return nil, err
	}
	login, err := login(cfg)
	if err != nil {
		return nil, err
	}
	own := nodeSubject(cfg.Prefix, node)
	if node == "" || len(own) > maxSubject {
		return nil, fmt.Errorf("natsbus: node name %.40q: 1 to about %d bytes are possible", node, maxSubject/3)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &Bus{
		cfg:     cfg,
		own:     own,
		login:   login,
		log:     log.With("broker", addr),
		ctx:     ctx,
		cancel:  cancel,
		ended:   make(chan struct{}),
		out:     newOutbox(cfg.Queue, cfg.Bytes),
		watches: newWatches(own, cfg.Inbox, cfg.InboxBytes, cfg.Linger),
		link:    newLink(ctx, addr),

		refusals: newRefusals(),
	}
	go b.run()
	return b, nil
}

// Guarantees implements bus.Bus. An envelope lives in the server's memory alone.
func (b *Bus) Guarantees() bus.Guarantees {
	return bus.Guarantees{OrderByNode: true}
}

// Healthy implements bus.Bus.
func (b *Bus) Healthy() error {
	if b.out.isClosed() {
		return bus.ErrClosed
	}
	if err := b.link.healthy(b.cfg.Silence); err != nil {
		return err
	}
	if b.watches.isOwnDenied() {
		return b.forbidden(b.own)
	}
	return nil
}

// Figures implements bus.Measured.
func (b *Bus) Figures() bus.Figures {
	return bus.Figures{
		Queued: b.out.outstanding(), Reconnects: b.link.reconnects(), Missed: b.Dropped(), Skipped: b.skipped.Load(),
	}
}

// Dropped returns how many envelopes the server brought and deliver was too slow for.
func (b *Bus) Dropped() uint64 { return b.watches.dropped() }

// Close implements bus.Bus. Its error says how much ctx cut off.
func (b *Bus) Close(ctx context.Context) error {
	idle := b.out.close()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	left := b.out.outstanding()
	b.cancel()
	b.link.hangUp() // frees whoever is stuck in a write
	<-b.ended
	if left > 0 {
		return fmt.Errorf("natsbus: close: %d envelopes were not answered in time: %w", left, ctx.Err())
	}
	return nil
}
