package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// cluster is what a node shares with the others through Redis: the list of its sessions, the blocks
// and limits of members, and an ear for operators.
type cluster struct {
	node     registry.Node
	sessions redisregistry.Map
	registry *redisregistry.Registry
	limit    *admin.MemberLimit // nil for none
	gateway  *gateway.Gateway   // from join on
	control  *admin.Control     // as the gateway
	log      *slog.Logger
}

// newCluster returns the cluster of a node that starts now. The client stays the caller's.
func newCluster(cfg *config.Config, client *redisregistry.Client, node registry.Node, address string, log *slog.Logger) *cluster {
	c := &cluster{node: node, sessions: cli.SessionMap(cfg, client), log: log}
	settings := redisregistry.Config{
		Addrs:     cfg.Redis.Addrs,
		Heartbeat: cfg.Registry.Heartbeat,
		Expiry:    cfg.Registry.Expiry,
		Host:      hostName(cfg),
		Address:   address,
		Version:   gateway.Version,
		Bus:       cfg.Bus.Driver,
		Started:   time.Now(),
		Blocked:   c.blocked,
	}
	if most := cfg.Sessions.PerMember; most.Max > 0 {
		c.limit = admin.NewMemberLimit(admin.NewCluster(c.sessions, 0), most.Max, admin.Over(most.Over), log)
		settings.Stored = c.limit.Check
	}
	c.registry = redisregistry.New(c.sessions, node, settings, log)
	return c
}

// claimTimeout is how long Redis may take to say whose its keys are.
const claimTimeout = 2 * time.Second

// claim returns an error where a live node of another gateway has the keys of this one. A Redis that does
// not answer is asked again by the registry, which writes nothing before.
func (c *cluster) claim(ctx context.Context, cfg *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	var taken *redisregistry.TakenError
	if !errors.As(c.sessions.Claim(ctx), &taken) {
		return nil
	}
	return cli.Exit(cli.Configuration, fmt.Errorf("redis.prefix (%s): %w; give one of the two another redis.prefix", cfg.Origin("redis.prefix"), taken))
}

// hostName is what people call this node.
func hostName(cfg *config.Config) string {
	name, _ := os.Hostname() // a machine without a name has none
	return cmp.Or(cfg.Node.Name, name)
}

// check is what /readyz asks of Redis. A node that has never reached it does not know who is blocked.
func (c *cluster) check(cfg *config.Config) admin.Check {
	check := admin.Check{Name: "registry", Err: c.registry.Healthy}
	if cfg.Readiness.Redis == config.RedisIgnore {
		check.Spares = c.registry.Reached
	}
	return check
}

// blocked tells the gateway who may not connect, and until when by this machine's clock.
func (c *cluster) blocked(blocks []redisregistry.Block) {
	until, now := make(map[string]time.Time, len(blocks)), time.Now()
	for _, b := range blocks {
		until[b.Member] = now.Add(b.Left)
	}
	c.gateway.Block(until)
}

// join makes the cluster that of a gateway, whose registry it is already.
func (c *cluster) join(g *gateway.Gateway) {
	c.gateway = g
	c.control = admin.NewControl(c.sessions, c.node, g, c.registry.Refresh, c.log)
}

// run starts what runs until ctx ends; wg waits for it.
func (c *cluster) run(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(func() { report(c.log, "registry", c.registry.Run(ctx)) })
	wg.Go(func() { report(c.log, "control", c.control.Run(ctx)) })
	if c.limit != nil {
		wg.Go(func() { report(c.log, "limit of sessions", c.limit.Run(ctx)) })
	}
}
