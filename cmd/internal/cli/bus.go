package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry"
)

// OpenBus opens the bus that the configuration names. Nothing named is the default on this machine, and
// then it has to be there; a bus that was named may come later. hint says how to name another.
func OpenBus(ctx context.Context, cfg *config.Config, node registry.Node, log *slog.Logger, hint string) (bus.Bus, error) {
	settings := cfg.Bus.Settings()
	if !cfg.Names("bus.driver") && !cfg.Names("bus."+cfg.Bus.Driver) {
		servers := settings.Servers()
		if err := dialAny(ctx, servers); err != nil {
			return nil, Exit(Unreachable, fmt.Errorf("no bus is configured, and no %s broker answers at %s: %w; %s",
				cfg.Bus.Kind().Title, strings.Join(servers, ", "), err, hint))
		}
	}
	return settings.Open(bus.Self{Name: node.String(), Message: int(cfg.Limits.Message), Log: log})
}

// dialTimeout is how long a broker may take to accept a connection.
const dialTimeout = 2 * time.Second

// dialAny returns nil when one of the addresses accepts connections, else why the last does not.
func dialAny(ctx context.Context, addrs []string) error {
	var last error
	dialer := net.Dialer{Timeout: dialTimeout}
	for _, addr := range addrs {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		last = Cause(err)
	}
	return last
}
