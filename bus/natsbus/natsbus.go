// Package natsbus carries envelopes over core NATS, and those with history through JetStream.
//
// # Subjects
//
// A broadcast goes to <prefix>.d.<tokens>, so that "nats pub stomp.d.topic.chat hi" reaches /topic/chat;
// subject.go converts any destination to a subject, and back. A node subscribes only to what it watches; a
// pattern is a subject with wildcards. An individual envelope goes to <prefix>.n.<node>, the subject of
// the node that holds the principal's session. Every receiving node subscribes to its own.
//
// # Messages
//
// The payload is the body. Header entries are NATS headers, as headers.go describes: an envelope
// without any is a plain PUB, and plain NATS headers of a foreign publisher become header entries.
//
// # Answers
//
// Core NATS does not acknowledge a PUB, but it answers a PING after all that came before it on the
// connection. One goroutine (life.go) writes subscriptions and envelopes in the order they came;
// another (confirm.go) sends one PING at a time and settles what was written before it. What was
// written to a connection that then broke has an unknown outcome and is not written again; what
// was not written waits for the next connection. The server reports what it does not permit before
// it answers the PING: that envelope's done, or that watch's ready, gets ErrPermission (refusals.go).
// If it revokes a permission later, ready is called a second time (watch.go).
//
// # Connections
//
// There is one connection after the other, whatever ended the last (life.go): nothing that a server says
// or a client sends ends that. A server closes the connection over a line that is too long for it, so a
// node learns that limit before it writes (limits.go); what was on its way when the server lowered its
// limits, or closed the connection for a similar reason, is sorted out (confirm.go, watch.go).
//
// # History
//
// After Remember, what is published to destinations with history goes through one stream, which
// acknowledges each message and republishes it to <prefix>.h.<tokens>, numbered (history.go, stream.go,
// jetstream.go, acks.go). A watch of such a destination is a trail (trail.go): it delivers without a
// hole, and has what it missed, or what a Recall asks for, fetched (recall.go, fetch.go).
//
// # Memory
//
// Config.Queue and Config.Bytes bound what waits for the server, Config.Inbox and Config.InboxBytes
// what waits for deliver (lane.go). Each lane also holds the envelope being delivered, and what nats.go
// read since the lane's goroutine last ran, at most Config.Inbox envelopes. What waits for others to be
// fetched adds at most a quarter of a lane's bytes, and each of a few fetches 4 MiB.
package natsbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/bus/settings"
)

// Config says where the broker is, and bounds what the bus holds. A field that is zero, or below,
// takes its default.
type Config struct {
	URL        string        // nats://[user:password@]host:port, or tls://; several separated by commas; default nats://127.0.0.1:4222
	User       string        // with Password; use only one way to log in: this, one of the next three, or what is in URL
	Password   string        // of User
	Token      string        // a bearer token
	NKey       string        // a user's seed, SU...
	Creds      string        // content of a creds file: a user's JWT and seed
	TLS        *tls.Config   // nil: TLS with the system's roots if URL says tls:// or the server asks for it; else TLS is required
	Prefix     string        // first token or tokens of every subject, default "stomp"
	Queue      int           // envelopes published and not answered, default 4096
	Bytes      int           // of their bodies and headers, default 32 MiB
	Inbox      int           // envelopes waiting for deliver, in each of four lanes, default 8192; further ones are dropped
	InboxBytes int           // of memory they take, a quarter in each lane, default 256 MiB; further ones are dropped, but for one in each lane
	Silence    time.Duration // of the server, after which Publish refuses, default 5s
	Deadline   time.Duration // of silence, after which what waits for an answer is given up, default 30s
	Linger     time.Duration // how long a subscription outlives Unwatch, default 2s
	History    History
}

func (cfg Config) withDefaults() Config {
	settings.Default(&cfg.URL, nats.DefaultURL)
	settings.Default(&cfg.Prefix, "stomp")
	settings.Default(&cfg.Queue, 4096)
	settings.Default(&cfg.Bytes, 32<<20)
	settings.Default(&cfg.Inbox, 8192)
	settings.Default(&cfg.InboxBytes, 256<<20)
	settings.Default(&cfg.Silence, 5*time.Second)
	settings.Default(&cfg.Deadline, 30*time.Second)
	settings.Default(&cfg.Linger, 2*time.Second)
	settings.Default(&cfg.History.Stream, defaultStream(cfg.Prefix))
	settings.Default(&cfg.History.Replicas, 1)
	settings.Default(&cfg.History.Bytes, 1<<30)
	return cfg
}

// Bus is one node's end of the broker. It implements bus.Bus, bus.Narrower, bus.Recaller, bus.Adviser,
// bus.Measured and bus.Living.
type Bus struct {
	// Set by New, never changed.
	cfg    Config
	own    string // the subject of what is meant for this node's principals
	probe  string // what subjects begin with that nobody uses
	inbox  string // what subjects begin with on which answers come
	log    *slog.Logger
	ctx    context.Context // ends when Close has waited enough
	cancel context.CancelFunc
	ended  chan struct{} // closed when run has returned

	// Owned by run, and what it waits for.
	pool      *pool
	pause     time.Duration // before the next attempt to connect
	lost      time.Time     // when the latest one ended
	nextLook  time.Time     // at the server's limits, at the earliest
	lookPause time.Duration // before that
	enc       headerEncoder
	msg       nats.Msg
	batch     []item // memory for batches, as is the next
	asked     []item

	// Any goroutine; each guards itself.
	access           atomic.Pointer[access] // of the next connection
	conn             atomic.Pointer[conn]   // of now, or the last one; nil: there was none
	out              *outbox
	history          *history
	watches          *watches
	silence          silence
	cause            atomic.Pointer[error] // why there is no connection, nil: there is one
	reconnects       atomic.Uint64
	maxPayload       atomic.Int64 // of the server, in bytes; 0 before the first connection
	maxSubject       atomic.Int64 // of the server, in bytes
	maxSubscriptions atomic.Int64 // of a connection, as the server was found to take; 0: it has not refused one
	hidden           atomic.Pointer[hiddenLimit]
	refusedByLimit   chan struct{} // has room for one signal: the server may take more by now
	receiving        atomic.Bool
	ownRefused       atomic.Pointer[error] // why the server does not bring what is meant for this node's principals
	skipped          atomic.Uint64         // messages of foreign publishers that can't be understood

	dropLog, refusalLog, limitLog, fetchLog seldom.Line
}

// New returns the bus of node, which is "<epoch>/<uuid>". It connects in the background and retries
// for ever; Healthy reports on that. The error is about cfg or node.
func New(cfg Config, node string, log *slog.Logger) (*Bus, error) {
	cfg = cfg.withDefaults()
	if err := checkPrefix(cfg.Prefix); err != nil {
		return nil, fmt.Errorf("natsbus: prefix: %w", err)
	}
	pool, err := parsePool(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("natsbus: url: %w", err)
	}
	access, err := newAccess(cfg, pool.user)
	if err != nil {
		return nil, err
	}
	own := nodeSubject(cfg.Prefix, node)
	if node == "" || len(own) > maxSubject {
		return nil, fmt.Errorf("natsbus: node name %.40q: 1 to about %d bytes are possible", node, maxSubject/3)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := newOutbox(cfg.Queue, cfg.Bytes)
	b := &Bus{
		cfg:            cfg,
		own:            own,
		probe:          own + ".",
		inbox:          inboxSubject(cfg.Prefix, node),
		log:            log.With("broker", pool.hosts),
		ctx:            ctx,
		cancel:         cancel,
		ended:          make(chan struct{}),
		pool:           pool,
		pause:          shortPause,
		out:            out,
		history:        newHistory(cfg),
		watches:        newWatches(cfg.Inbox, cfg.InboxBytes, cfg.Linger, out.queued),
		refusedByLimit: make(chan struct{}, 1),
		refusalLog:     seldom.Line{Every: time.Minute},
		limitLog:       seldom.Line{Every: time.Hour},
		fetchLog:       seldom.Line{Every: time.Minute},
	}
	b.silence.asked()
	b.cause.Store(new(bus.ErrUntried))
	b.maxSubject.Store(maxSubject)
	b.access.Store(access)
	go b.run()
	return b, nil
}

// Healthy implements bus.Bus.
func (b *Bus) Healthy() error {
	if _, closed := b.out.state(); closed {
		return bus.ErrClosed
	}
	if cause := b.cause.Load(); cause != nil {
		return fmt.Errorf("natsbus: no connection to %s: %w", b.pool.hosts, *cause)
	}
	if silence := b.silence.length(); silence >= b.cfg.Silence {
		return fmt.Errorf("natsbus: %s is connected but has not answered for %s", b.pool.hosts, silence.Round(time.Second/10))
	}
	if refused := b.ownRefused.Load(); refused != nil {
		return *refused
	}
	if err := b.historyHealth(); err != nil {
		return historyFault{err}
	}
	return nil
}

// historyFault is a bus.ErrHistory in the words of its error.
type historyFault struct{ error }

// Is makes it one.
func (historyFault) Is(target error) bool { return target == bus.ErrHistory }

// Unwrap returns the error.
func (f historyFault) Unwrap() error { return f.error }

// Alive implements bus.Living.
func (b *Bus) Alive() error {
	select {
	case <-b.ended:
		if _, closed := b.out.state(); !closed {
			return errors.New("natsbus: its goroutines have ended")
		}
	default:
	}
	return nil
}

// Figures implements bus.Measured.
func (b *Bus) Figures() bus.Figures {
	queued, _ := b.out.state()
	return bus.Figures{
		Queued: queued, Reconnects: b.reconnects.Load(), Missed: b.watches.dropped(), Skipped: b.skipped.Load(),
	}
}

// Close implements bus.Bus. Its error says how much ctx cut off.
func (b *Bus) Close(ctx context.Context) error {
	await(ctx, b.out.close())
	left, _ := b.out.state()
	b.cancel() // frees whoever is stuck in a write too
	<-b.ended
	if left > 0 {
		return fmt.Errorf("natsbus: close: %d envelopes were not answered in time: %w", left, ctx.Err())
	}
	return nil
}

// silence is for how long the server has owed an answer.
type silence struct {
	since atomic.Pointer[time.Time] // when it had to answer and did not yet; nil: it did
}

func (s *silence) asked() { s.since.CompareAndSwap(nil, new(time.Now())) }

func (s *silence) answered() { s.since.Store(nil) }

func (s *silence) length() time.Duration {
	if since := s.since.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}
