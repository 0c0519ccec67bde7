package redisregistry

import (
	"fmt"
	"strings"
	"time"
)

// health is what the last exchange with Redis came to.
type health struct {
	state healthState
	err   error
	since time.Time // of the state

	reached bool // it was up once
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
		if !r.health.reached {
			return fmt.Errorf("redis %s: has not answered yet: %w", addrs, r.health.err)
		}
		return fmt.Errorf("redis %s: away for %s, sessions wait in memory: %w",
			addrs, time.Since(r.health.since).Round(time.Second), r.health.err)
	}
}

// Reached reports whether Redis has answered once: the node knows the blocks then, be they of a while ago.
func (r *Registry) Reached() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health.reached
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
	r.health = health{state, err, time.Now(), was.reached || state == up}
	switch {
	case state == away:
		r.log.Warn("redis is away; sessions wait in memory", "addrs", r.cfg.Addrs, "err", err)
	case was.state == away:
		r.log.Info("redis is back", "addrs", r.cfg.Addrs, "away", time.Since(was.since).Round(time.Millisecond).String())
	}
}
