package redisregistry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

// Config configures a Registry. Its zero value will do.
type Config struct {
	Addrs     []string      // of Redis, used only in messages
	Heartbeat time.Duration // how often the node says that it is alive, default 5 s
	Expiry    time.Duration // how long it counts as alive without saying so, default three heartbeats

	// Of the node, for About.
	Host, Address string
	Version, Bus  string
	Started       time.Time

	// Stored is told when Redis has a session with a member that it did not have before, or had with
	// another member. It runs on Run's goroutine and must not block. May be nil; in the layout Keys there
	// is no index of members then.
	Stored func(s registry.Session)

	// Blocked is told the blocks when they may have changed, and at the first heartbeat. It runs on Run's
	// goroutine and must not block. May be nil.
	Blocked func(blocks []Block)
}

// Registry is a registry.Registry that keeps the sessions of one node in Redis. Add and Remove
// note a change in memory and return; Run does the rest.
type Registry struct {
	client *Client
	node   registry.Node
	names  names
	blocks *Blocks
	cfg    Config
	log    *slog.Logger

	book    book
	wake    chan struct{}     // holds one token while there may be something dirty
	refresh chan chan<- error // who wants the blocks told waits for what comes of it
	ended   chan struct{}     // closed when Run begins to end

	mu     sync.Mutex
	health health

	rewritten, swept atomic.Uint64

	// Owned by Run's goroutine.
	layout  layout
	lineage lineage
	next    int // the bucket that the next pipeline begins with
	late    [2][]registry.SessionID
	missing map[string]bool // nodes that had no alive key at the last heartbeat
	told    blocksTold
	claimed bool // no other gateway has the keys
}

// New returns the Registry of a node.
func New(m Map, node registry.Node, cfg Config, log *slog.Logger) *Registry {
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = 5 * time.Second
	}
	if cfg.Expiry <= 0 {
		cfg.Expiry = 3 * cfg.Heartbeat
	}
	r := &Registry{
		client:  m.Client,
		node:    node,
		names:   m.names(),
		blocks:  NewBlocks(m),
		cfg:     cfg,
		log:     log,
		wake:    make(chan struct{}, 1),
		refresh: make(chan chan<- error),
		ended:   make(chan struct{}),
	}
	r.layout = newLayout(m, r)
	return r
}

func newLayout(m Map, r *Registry) layout {
	here := &place{client: r.client, names: r.names, node: r.node, expiry: r.cfg.Expiry, book: &r.book}
	of := func(k kind) *row { return &row{place: here, kind: k} }
	switch {
	case m.Layout != Keys:
		return rows{of(hashes), of(index)}
	case r.cfg.Stored != nil:
		return &keys{place: here, rows: rows{of(index)}, most: r.cfg.Heartbeat}
	}
	return &keys{place: here, most: r.cfg.Heartbeat}
}

// Add implements registry.Registry.
func (r *Registry) Add(s registry.Session) {
	if s.Member != "" {
		member, err := registry.CanonicalMember(s.Member)
		if err != nil {
			r.log.Error("session is published without its member", "session", s.ID.String(), "err", err)
		}
		s.Member = member
	}
	r.book.add(s)
	signal(r.wake)
}

// Remove implements registry.Registry.
func (r *Registry) Remove(id registry.SessionID) {
	r.book.remove(id)
	signal(r.wake)
}

// errEnded is what Refresh returns when there is nobody to be told any more.
var errEnded = errors.New("redisregistry: the node has left the cluster")

// Refresh returns once Config.Blocked has been told the blocks in Redis. Errors are those of Redis, that
// ctx has ended, or that Run has. It may be called from any goroutine, but not from Config's functions.
func (r *Registry) Refresh(ctx context.Context) error {
	told := make(chan error, 1)
	select {
	case r.refresh <- told:
	case <-r.ended:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-told:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// signal puts a token into a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // nobody has taken the last token yet, and will see this change too
	}
}

// Figures are what a node shows of its Registry.
type Figures struct {
	Sessions  int    // of this node, in memory
	Waiting   int    // of these and of those that ended, how many Redis must still be told of
	Rewritten uint64 // sessions written again because Redis had lost them, or something else in the same key
	Swept     uint64 // dead nodes whose leftovers this one removed
	Away      bool   // Redis does not answer
}

// Figures may be called from any goroutine.
func (r *Registry) Figures() Figures {
	sessions, waiting := r.book.count()
	return Figures{
		Sessions:  sessions,
		Waiting:   waiting,
		Rewritten: r.rewritten.Load(),
		Swept:     r.swept.Load(),
		Away:      r.Healthy() != nil,
	}
}
