package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/policy"
)

// reloader makes a running node take other rules.
type reloader struct {
	file     string
	load     func() (*config.Config, error)
	running  *config.Config // as it was loaded when the node started
	setRules func(*policy.Catalogue) error
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
	cfg, err := r.read()
	if err != nil {
		for _, fault := range faults(err) {
			r.log.Error("rules not reloaded, the old ones stay", "err", fault)
		}
		return
	}
	if len(cfg.Channels)+len(cfg.Routes) == 0 { // which nobody means who has clients
		r.log.Error("rules not reloaded, the old ones stay: the file has none", "file", r.file)
		return
	}
	changed := r.running.Changed(cfg)
	if i := slices.IndexFunc(changed, boundToRules); i >= 0 {
		r.log.Error("rules not reloaded, the old ones stay: they go with a setting that needs a restart",
			"key", changed[i], "at", cfg.Origin(changed[i]))
		return
	}
	if err := r.setRules(cfg.Rules()); err != nil {
		r.log.Error("rules not reloaded, the old ones stay", "err", err)
		return
	}
	r.log.Info("rules reloaded", "channels", len(cfg.Channels), "routes", len(cfg.Routes))
	if len(changed) > 0 {
		r.log.Warn("settings changed that need a restart", "keys", strings.Join(changed, ", "))
	}
}

// read loads the configuration. What can be read once only, or not to its end, would hold up the node:
// a pipe is none.
func (r *reloader) read() (*config.Config, error) {
	info, err := os.Stat(r.file)
	switch {
	case err != nil: // load says it better
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file that can be read again", r.file)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s is empty: somebody may be writing it", r.file)
	}
	return r.load()
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
