package message

import (
	"testing"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus"
	"github.com/stompgw/stompgw/bus/natsbus"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// over has the commands of this room publish over a bus of the test's.
func over(b bus.Bus) clitest.Room {
	nats := natsbus.Driver()
	nats.New = func() bus.Settings { return &opened{bus: b} }
	return func() []*cobra.Command { return Commands([]bus.Driver{kafkabus.Driver(), nats}) }
}

// opened are settings of a bus that is there already.
type opened struct {
	natsbus.Settings
	bus bus.Bus
}

func (o *opened) Open(bus.Self) (bus.Bus, error) { return o.bus, nil }

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return over(nil).Run(t, nil, args...)
}
