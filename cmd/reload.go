package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
)

// reloader makes a running node take other rules, keys, certificates and passwords.
type reloader struct {
	file string
	load func() (*config.Config, error)
	log  *slog.Logger

	// running is what the node runs with; the ports ask it for their certificate.
	running *atomic.Pointer[config.Config]

	// What has to be told. Of these, renewBus alone can fail for what Load lets pass.
	renewBus   func(*config.Config) error
	setIssuers func(issuers []auth.Issuer, done func(ended int)) error
	setRedis   func(*config.Redis)
	setKeys    func(*config.Config) // of the API
	setRules   func(rules *policy.Catalogue, done func(ended int)) error
}

// run reloads at each hangup, and takes the certificate of the ports when its files change, until ctx
// ends.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	tick, daily := time.NewTicker(watchEvery), time.NewTicker(24*time.Hour)
	defer tick.Stop()
	defer daily.Stop()
	r.tellExpiry()
	files := newWatch(r.running.Load())
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			if r.reload(ctx) {
				files = newWatch(r.running.Load()) // which may be others
			}
		case <-tick.C:
			if files.changed() {
				r.takePair()
			}
		case <-daily.C:
			r.tellExpiry()
		}
	}
}

// reload reads the configuration and all files that it names anew. They take effect if nothing in them
// is wrong; else nothing does, and it returns false. Settings that need a restart are named.
func (r *reloader) reload(ctx context.Context) (taken bool) {
	before := r.running.Load()
	next, err := r.read()
	if err == nil {
		err = errors.Join(r.fits(before, next), fresh(before, next))
	}
	var cfg *config.Config
	ended := 0
	if err == nil {
		cfg = before.Take(next)
		ended, err = r.take(ctx, cfg)
	}
	if err != nil {
		r.refuse("not reloaded, the old configuration stays in effect", err)
		return false
	}
	r.log.Info("reloaded", "channels", len(cfg.Channels), "routes", len(cfg.Routes), "subscriptions_ended", ended,
		"changed", list(before.ChangedFiles(cfg)))
	if changed := cfg.Changed(next); len(changed) > 0 {
		r.log.Warn("some changed settings take effect only after a restart", "keys", list(changed))
	}
	for _, warning := range cfg.Warnings() {
		r.log.Warn(warning)
	}
	r.tellExpiry()
	return true
}

// fresh refuses certificates that have expired, but for those that stay as they were.
func fresh(before, next *config.Config) error {
	changed := before.ChangedFiles(next)
	return errors.Join(next.Expired(time.Now(), func(file string) bool { return slices.Contains(changed, file) })...)
}

// tellExpiry logs which certificates have expired, or will soon.
func (r *reloader) tellExpiry() {
	cfg, now := r.running.Load(), time.Now()
	for _, fault := range cfg.Expired(now, nil) {
		r.log.Error("a certificate has expired", "err", fault)
	}
	for _, line := range cfg.ExpireSoon(now) {
		r.log.Warn(line)
	}
}

// fits reports why a node that runs with before can't take next: rules that would mean something else.
func (r *reloader) fits(before, next *config.Config) error {
	if len(next.Channels)+len(next.Routes) == 0 { // which nobody means who has clients
		return &config.Error{Where: r.file, Reason: "has no rules"}
	}
	changed := before.Changed(next)
	if i := slices.IndexFunc(changed, boundToRules); i >= 0 {
		return &config.Error{Where: next.Origin(changed[i]), Key: changed[i], Reason: "rules depend on this setting, and it needs a restart"}
	}
	return nil
}

// take makes a configuration count, and returns how many subscriptions have ended.
func (r *reloader) take(ctx context.Context, cfg *config.Config) (ended int, err error) {
	if err := r.renewBus(cfg); err != nil {
		return 0, err
	}
	counts, waiting := make(chan int, 2), 1
	tell := func(ended int) { counts <- ended }
	if cfg.HasIssuer() {
		if err := r.setIssuers(cfg.Tokens().Issuers, tell); err != nil {
			return 0, err
		}
		waiting++
	}
	r.setRedis(&cfg.Redis)
	r.setKeys(cfg)
	r.running.Store(cfg)
	if err := r.setRules(cfg.Rules(), tell); err != nil {
		return 0, err
	}
	for ; waiting > 0; waiting-- {
		select {
		case n := <-counts:
			ended += n
		case <-ctx.Done(): // the sessions end anyhow
			return ended, nil
		}
	}
	return ended, nil
}

// takePair takes the certificate of the ports alone.
func (r *reloader) takePair() {
	before := r.running.Load()
	cfg, err := before.TakePair()
	if err == nil {
		err = fresh(before, cfg)
	}
	if err != nil {
		r.refuse("the new certificate can't be used, the old one stays in effect", err)
		return
	}
	if changed := before.ChangedFiles(cfg); len(changed) > 0 {
		r.running.Store(cfg)
		r.log.Info("certificate reloaded", "changed", list(changed))
		r.tellExpiry()
	}
}

// read loads the configuration. What can be read once only, or not to its end, would hold up the node:
// a pipe is none.
func (r *reloader) read() (*config.Config, error) {
	info, err := os.Stat(r.file)
	switch {
	case err != nil: // load says it better
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file that can be read again", r.file)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s is empty: somebody may be writing it", r.file)
	}
	return r.load()
}

// boundToRules reports whether rules mean something else with another value of a key.
func boundToRules(key string) bool {
	return strings.HasPrefix(key, "prefixes.") || key == "errors.destination"
}

func list(names []string) string { return strings.Join(names, ", ") }

// refuse logs each mistake of a joined error.
func (r *reloader) refuse(what string, err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		r.log.Error(what, "err", err)
		return
	}
	for _, err := range joined.Unwrap() {
		r.refuse(what, err)
	}
}
