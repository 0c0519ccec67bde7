package redisregistry

import (
	"fmt"
	"strings"
	"time"
)

// health is what the last exchange with Redis came to.
type health struct {
	err     error     // nil while Redis answers, and before the first exchange
	since   time.Time // when Redis went away
	reached bool      // Redis has answered once
}

// Healthy returns nil while Redis answers, else why not, in words for an operator.
func (r *Registry) Healthy() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	addrs, h := strings.Join(r.cfg.Addrs, ","), r.health
	switch {
	case h.reached && h.err == nil:
		return nil
	case h.reached:
		return fmt.Errorf("redis %s: away for %s, sessions wait in memory: %w", addrs, time.Since(h.since).Round(time.Second), h.err)
	case h.err != nil:
		return fmt.Errorf("redis %s: has not answered yet: %w", addrs, h.err)
	}
	return fmt.Errorf("redis %s: has not answered yet", addrs)
}

// Reached reports whether Redis has answered once: the node knows the blocks then, though they may be old.
func (r *Registry) Reached() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health.reached
}

// report notes the outcome of an exchange, and logs it when it is news.
func (r *Registry) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &r.health
	switch {
	case err != nil && h.err == nil:
		h.since = time.Now()
		r.log.Warn("redis is away; sessions wait in memory", "addrs", r.cfg.Addrs, "err", err)
	case err == nil && h.err != nil:
		r.log.Info("redis is back", "addrs", r.cfg.Addrs, "away", time.Since(h.since).Round(time.Millisecond).String())
	}
	h.err, h.reached = err, h.reached || err == nil
}
