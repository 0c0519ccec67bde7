package redisregistry

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

// Config is what a Registry may be told. Its zero value will do.
type Config struct {
	Addrs     []string      // of Redis, for messages alone
	Prefix    string        // of every key, such as "stompgw:"
	Heartbeat time.Duration // how often the node says that it lives, default 5 s
	Expiry    time.Duration // how long it counts as alive without, default three heartbeats
}

// Registry is a registry.Registry that keeps the sessions of one node in Redis. Add and Remove
// note a change in memory and return; Run does the rest.
type Registry struct {
	client redis.UniversalClient
	node   registry.Node
	keys   keys
	cfg    Config
	log    *slog.Logger

	book book
	wake chan struct{} // holds one token while there may be something dirty

	mu     sync.Mutex
	health health
}

// New returns the Registry of a node. The client stays the caller's; see NewClient.
func New(client redis.UniversalClient, node registry.Node, cfg Config, log *slog.Logger) *Registry {
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = 5 * time.Second
	}
	if cfg.Expiry <= 0 {
		cfg.Expiry = 3 * cfg.Heartbeat
	}
	return &Registry{
		client: client,
		node:   node,
		keys:   keys{cfg.Prefix},
		cfg:    cfg,
		log:    log,
		wake:   make(chan struct{}, 1),
	}
}

// Add implements registry.Registry.
func (r *Registry) Add(s registry.Session) {
	r.book.add(s)
	r.wakeWriter()
}

// Remove implements registry.Registry.
func (r *Registry) Remove(id registry.SessionID) {
	r.book.remove(id)
	r.wakeWriter()
}

func (r *Registry) wakeWriter() {
	select {
	case r.wake <- struct{}{}:
	default: // the writer has not taken the last token yet, and will see this change too
	}
}

// health is what the last exchange with Redis came to.
type health struct {
	state healthState
	err   error
	since time.Time // of the state
}

type healthState uint8

const (
	starting healthState = iota
	up
	away
)

// Healthy returns nil while Redis answers, else why not, in words for an operator.
func (r *Registry) Healthy() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch addrs := strings.Join(r.cfg.Addrs, ","); r.health.state {
	case up:
		return nil
	case starting:
		return fmt.Errorf("redis %s: has not answered yet", addrs)
	default:
		return fmt.Errorf("redis %s: away for %s, sessions wait in memory: %w",
			addrs, time.Since(r.health.since).Round(time.Second), r.health.err)
	}
}

// report notes the outcome of an exchange, and logs it when it is news.
func (r *Registry) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := up
	if err != nil {
		state = away
	}
	was := r.health
	if was.state == state {
		r.health.err = err
		return
	}
	r.health = health{state, err, time.Now()}
	switch {
	case state == away:
		r.log.Warn("redis is away; sessions wait in memory", "addrs", r.cfg.Addrs, "err", err)
	case was.state == away:
		r.log.Info("redis is back", "addrs", r.cfg.Addrs, "away", time.Since(was.since).Round(time.Millisecond).String())
	}
}
