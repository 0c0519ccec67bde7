package cmd

import (
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// newPresence says how the node keeps who is present: other nodes it asks over Redis.
func newPresence(cfg *config.Config, sessions redisregistry.Map) gateway.Presence {
	return gateway.Presence{
		Grace: time.Duration(cfg.Presence.Grace),
		Limit: cfg.Presence.Limit,
		Peers: admin.NewPeers(sessions, 0),
	}
}
