package cmd

import (
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// newRedis returns a client of the Redis that the configuration names. It dials on first use; the
// caller closes it.
func newRedis(cfg *config.Config) *redisregistry.Client {
	r := &cfg.Redis
	return redisregistry.NewClient(redisregistry.Options{
		Addrs:        r.Addrs,
		Cluster:      r.Cluster,
		Master:       r.Master,
		DB:           r.DB,
		User:         r.User,
		Password:     r.Password.Reveal(),
		SentinelUser: r.Sentinel.User,
		SentinelPass: r.Sentinel.Password.Reveal(),
		TLS:          r.TLS.Loaded(),
	})
}

// sessionMap is where the session map of the configuration stands, for a client of newRedis.
func sessionMap(cfg *config.Config, client *redisregistry.Client) redisregistry.Map {
	return redisregistry.Map{Client: client, Prefix: cfg.Redis.Prefix, Layout: redisregistry.Layout(cfg.Registry.Layout)}
}
