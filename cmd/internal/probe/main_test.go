package probe

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry"
)

func TestMain(m *testing.M) {
	redis.SetLogger(clitest.Discard{})
	// go-redis looks once a second for a Redis that is away, and sleeps on for as long when it is closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// room is the commands of this one, with the buses.
var room clitest.Room = func() []*cobra.Command {
	return Commands(func(cfg *config.Config) (func(config.Bus, registry.Node, *slog.Logger) (bus.Bus, error), error) {
		return func(s config.Bus, node registry.Node, log *slog.Logger) (bus.Bus, error) {
			if s.Driver != "kafka" {
				return natsbus.New(natsbus.Config{URL: s.NATS.URL, Prefix: s.NATS.Prefix}, node.String(), log)
			}
			k := kafkabus.Config{Brokers: s.Kafka.Brokers, Topic: s.Kafka.Topic, Create: s.Kafka.Create, Message: int(cfg.Limits.Message)}
			for _, source := range s.Kafka.Sources {
				k.Sources = append(k.Sources, kafkabus.Source{Topic: source.Topic, Destination: source.Destination})
			}
			return kafkabus.New(k, node.String(), log)
		}, nil
	})
}

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return room.Run(t, nil, args...)
}

func runOn(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return room.Run(t, strings.NewReader(stdin), args...)
}
