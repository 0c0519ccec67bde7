package probe

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

func TestMain(m *testing.M) {
	logging.Disable()
	// go-redis looks once a second for a Redis that is away, and sleeps on for as long when it is closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// room is the commands of this one, with the buses.
var room clitest.Room = func() []*cobra.Command { return Commands(drivers()) }

func drivers() []bus.Driver { return []bus.Driver{kafkabus.Driver(), natsbus.Driver()} }

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return room.Run(t, nil, args...)
}

func runOn(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return room.Run(t, strings.NewReader(stdin), args...)
}
