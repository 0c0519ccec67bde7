package message

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// over has the commands of this room publish over a bus of the test's.
func over(b bus.Bus) clitest.Room {
	return func() []*cobra.Command {
		return Commands(func(context.Context, *config.Config, registry.Node, *slog.Logger, string) (bus.Bus, error) {
			return b, nil
		})
	}
}

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return over(nil).Run(t, nil, args...)
}

func runOn(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return over(nil).Run(t, strings.NewReader(stdin), args...)
}

func runBeside(t *testing.T, args ...string) *clitest.Background {
	return clitest.Beside(t, func(ctx context.Context, stdout, stderr io.Writer) int {
		return over(nil).Main(ctx, nil, stdout, stderr, args...)
	})
}
