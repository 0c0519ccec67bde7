package cmd

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/policy"
)

// reloader makes a running node take other rules.
type reloader struct {
	load     func() (*config.Config, error)
	running  *config.Config // as it was loaded when the node started
	setRules func(*policy.Catalogue)
	log      *slog.Logger
}

// run reloads at each hangup, until ctx ends.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			r.reload()
		}
	}
}

// reload reads the configuration anew. Rules take effect if nothing in it is wrong; else the old ones
// stay. Nothing but rules changes while a node runs.
func (r *reloader) reload() {
	cfg, err := r.load()
	if err != nil {
		for _, fault := range faults(err) {
			r.log.Error("rules not reloaded, the old ones stay", "err", fault)
		}
		return
	}
	changed := r.running.Changed(cfg)
	if i := slices.IndexFunc(changed, boundToRules); i >= 0 {
		r.log.Error("rules not reloaded, the old ones stay: they go with a setting that needs a restart",
			"key", changed[i], "at", cfg.Origin(changed[i]))
		return
	}
	r.setRules(cfg.Rules())
	r.log.Info("rules reloaded", "channels", len(cfg.Channels), "routes", len(cfg.Routes))
	if len(changed) > 0 {
		r.log.Warn("settings changed that need a restart", "keys", strings.Join(changed, ", "))
	}
}

// boundToRules reports whether rules mean something else with another value of a key.
func boundToRules(key string) bool {
	return strings.HasPrefix(key, "prefixes.") || key == "errors.destination"
}

// faults takes a joined error apart.
func faults(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
