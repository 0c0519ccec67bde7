package cmd

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/admin/api"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/asyncapi"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// startAPI answers backends at ln until ctx ends, if that is not nil. It returns what /metrics tells of it, and what gives it the
// keys of another configuration.
func startAPI(ctx context.Context, wg *sync.WaitGroup, ln net.Listener, a *api.API, log *slog.Logger) (admin.Collectors, func(*config.Config)) {
	if ln == nil {
		return nil, func(*config.Config) {}
	}
	wg.Go(func() {
		report(log, "api", admin.Serve(ctx, ln, a, log))
		a.Close()
	})
	return a.Metrics(), func(cfg *config.Config) { a.SetKeys(apiKeys(cfg)) }
}

// newAPI returns what answers backends.
func newAPI(running *atomic.Pointer[config.Config], b bus.Bus, gw *gateway.Gateway, sessions redisregistry.Map, log *slog.Logger) *api.API {
	cfg := running.Load()
	node := api.Node{
		Rules:   func() *policy.Catalogue { return running.Load().Rules() },
		Assume:  func(claims []byte) (*auth.Identity, error) { return running.Load().Tokens().Assume(claims) },
		Inbox:   func(issuer, member string) (string, error) { return running.Load().Inbox(issuer, member) },
		History: gw.History,
		AsyncAPI: func() json.Marshaler {
			now := running.Load()
			return asyncapi.New(now.Rules(), cli.AsyncAPI(now))
		},
		Limit: int(cfg.Limits.Message),
	}
	a := api.New(admin.NewCluster(sessions, 0), b, node, log)
	a.SetKeys(apiKeys(cfg))
	return a
}

// apiKeys are those of the configuration.
func apiKeys(cfg *config.Config) (keys []api.Key) {
	for _, k := range cfg.API.Keys {
		key := api.Key{Name: k.Name, Secret: k.Secret.Reveal()}
		for _, scope := range k.Scopes {
			key.Scopes = append(key.Scopes, api.Scope(scope))
		}
		keys = append(keys, key)
	}
	return keys
}
