// Package natsbus carries envelopes over core NATS.
//
// # Subjects
//
// A broadcast goes to <prefix>.d.<tokens>, so that "nats pub stomp.d.topic.chat hi" reaches /topic/chat;
// subject.go tells how any destination becomes a subject, and back. A node subscribes only to what it
// watches; a pattern is a subject with wildcards. An individual envelope goes to <prefix>.n.<node>, the
// subject of the node that holds the principal's session, which every receiving node subscribes to.
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
// Of what it permits and revokes later, ready hears a second time (revoked.go).
//
// # Connections
//
// A third goroutine (connection.go) makes one connection after the other, whatever ended the last:
// nothing that a server says, or that a client sends, ends that. A server closes the connection over a
// line that is longer than it takes, so a node learns how long that is before it writes (limits.go);
// what was on its way when the server lowered its limits, or closed the connection for another reason
// of that kind, is sorted out (lost.go, and watches.suspect).
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
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/seldom"
)

// ErrDestination reports a destination that makes a subject that the NATS server does not take: mostly,
// as it is too long.
var ErrDestination = errors.New("natsbus: the destination can't be carried")

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

// Bus is one node's end of the broker. It implements bus.Bus, bus.Narrower, bus.Measured and bus.Living.
type Bus struct {
	// Set by New, never changed.
	cfg    Config
	own    string // the subject of what is meant for this node's principals
	log    *slog.Logger
	ctx    context.Context // ends when Close has waited enough
	cancel context.CancelFunc
	ended  chan struct{} // closed when run has returned

	// Owned by run.
	pool      *pool
	nextLook  time.Time     // at the server's limits, at the earliest
	lookPause time.Duration // before that

	// Any goroutine; each guards itself.
	access           atomic.Pointer[access] // of the next connection
	out              *outbox
	watches          *watches
	link             *link
	refusals         *refusals
	lost             lost
	adopted          atomic.Pointer[conn] // what the writer has subscribed on
	maxPayload       atomic.Int64         // of the server, in bytes; 0 before the first connection
	maxSubject       atomic.Int64         // of the server, in bytes
	hidden           atomic.Pointer[hiddenLimit]
	maxSubscriptions atomic.Int64  // of a connection, as the server was found to take; 0: it has not refused one
	refusedByLimit   chan struct{} // has room for one signal: the server may take more by now
	receiving        atomic.Bool
	ownRefused       atomic.Pointer[error] // why the server does not bring what is meant for this node's principals
	skipped          atomic.Uint64         // messages of foreign publishers that can't be understood

	dropLog, refusalLog, limitLog seldom.Line
}

// New returns the bus of node, which is "<epoch>/<uuid>". It connects in the background, for ever
// and without a word from the caller: Healthy tells how that goes. The error is about cfg or node.
func New(cfg Config, node string, log *slog.Logger) (*Bus, error) {
	cfg = cfg.withDefaults()
	if err := checkPrefix(cfg.Prefix); err != nil {
		return nil, err
	}
	pool, err := parsePool(cfg.URL)
	if err != nil {
		return nil, err
	}
	access, err := newAccess(cfg)
	if err != nil {
		return nil, err
	}
	own := nodeSubject(cfg.Prefix, node)
	if node == "" || len(own) > maxSubject {
		return nil, fmt.Errorf("natsbus: node name %.40q: 1 to about %d bytes are possible", node, maxSubject/3)
	}
	addr := pool.hosts()
	pool.shuffle()
	ctx, cancel := context.WithCancel(context.Background())
	b := &Bus{
		cfg:            cfg,
		own:            own,
		log:            log.With("broker", addr),
		ctx:            ctx,
		cancel:         cancel,
		ended:          make(chan struct{}),
		pool:           pool,
		out:            newOutbox(cfg.Queue, cfg.Bytes),
		watches:        newWatches(cfg.Inbox, cfg.InboxBytes, cfg.Linger),
		link:           newLink(ctx, addr),
		refusals:       newRefusals(),
		refusedByLimit: make(chan struct{}, 1),
		refusalLog:     seldom.Line{Every: time.Minute},
		limitLog:       seldom.Line{Every: time.Hour},
	}
	b.maxSubject.Store(maxSubject)
	b.access.Store(access)
	go b.run()
	return b, nil
}

// run keeps the connection, the writer, the confirmer and the lanes until Close ends ctx. It is the
// only goroutine that the bus starts for itself; those are its own.
func (b *Bus) run() {
	defer close(b.ended)
	defer b.abandon()
	var wg sync.WaitGroup
	defer wg.Wait()
	c := &confirmer{Bus: b}
	wg.Go(c.run)
	wg.Go((&writer{Bus: b, confirmer: c}).run)
	for _, l := range b.watches.lanes {
		wg.Go(func() { l.run(b.ctx, func(msg *nats.Msg) { b.logDrop(msg.Sub) }) })
	}
	b.keepConnected()
}

// abandon tells all that is left that nobody will know: the goroutines of the bus have ended.
func (b *Bus) abandon() {
	for _, u := range b.lost.take() {
		b.out.drop(&u.item)
	}
	b.out.abandon()
}



// Healthy implements bus.Bus.
func (b *Bus) Healthy() error {
	if b.out.isClosed() {
		return bus.ErrClosed
	}
	if err := b.link.healthy(b.cfg.Silence); err != nil {
		return err
	}
	if refused := b.ownRefused.Load(); refused != nil {
		return *refused
	}
	return nil
}

// Alive implements bus.Living.
func (b *Bus) Alive() error {
	select {
	case <-b.ended:
		if !b.out.isClosed() {
			return errors.New("natsbus: its goroutines have ended")
		}
	default:
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
