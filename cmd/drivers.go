package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry"
)

// openBus opens the bus that the configuration names. Nothing named is Kafka on this machine, and
// then it has to be there; a bus that was named may come later. hint says how to name another.
func openBus(ctx context.Context, cfg *config.Config, drivers []Driver, node registry.Node, log *slog.Logger, hint string) (bus.Bus, error) {
	d, err := findDriver(cfg, drivers)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, hint)
	}
	if cfg.Bus.Driver == "kafka" && !cfg.Names("bus.driver") && !cfg.Names("bus.kafka") {
		brokers := cfg.Bus.Kafka.Brokers
		if err := dialAny(ctx, brokers); err != nil {
			return nil, cli.Exit(cli.Unreachable, fmt.Errorf("no bus is configured, and no Kafka broker answers at %s: %w; %s",
				strings.Join(brokers, ", "), err, hint))
		}
	}
	return d.Open(BusSettings{Bus: cfg.Bus, Message: int(cfg.Limits.Message), Node: node.String(), Log: log})
}

// renewing returns what has b, which openBus opened, use the certificates and the login of other settings.
func renewing(cfg *config.Config, drivers []Driver, b bus.Bus) func(config.Bus) error {
	return func(settings config.Bus) error {
		d, err := findDriver(cfg, drivers)
		if err != nil || d.Renew == nil {
			return err
		}
		return d.Renew(b, BusSettings{Bus: settings})
	}
}

// findDriver returns the driver that the configuration names; the error is a *config.Error.
func findDriver(cfg *config.Config, drivers []Driver) (Driver, error) {
	var names []string
	for _, d := range drivers {
		if d.Name == cfg.Bus.Driver {
			return d, nil
		}
		names = append(names, d.Name)
	}
	return Driver{}, &config.Error{
		Where:  cfg.Origin("bus.driver"),
		Key:    "bus.driver",
		Reason: fmt.Sprintf("%s is not in this version, only %s", cfg.Bus.Driver, strings.Join(names, ", ")),
	}
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
		last = cli.Cause(err)
	}
	return last
}
