// Package cmd is the program: the root of its commands, and serve with what it wires together. The other
// commands are in rooms of their own below internal; they parse, make one call, and print.
//
// What was asked for goes to stdout, everything else to stderr. A command that fails prints one
// line for each thing that is wrong, and ends the process with the code of its kind (cli.ExitCode).
package cmd

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/cmd/internal/message"
	"github.com/stompgw/stompgw/cmd/internal/operate"
	"github.com/stompgw/stompgw/cmd/internal/probe"
	"github.com/stompgw/stompgw/gateway/registry"
)

// Process is what the commands see of the process they run in.
type Process struct {
	Args           []string // the program's name first
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Drivers        []Driver // of the buses that are built in

	// Hangups makes SIGHUP come over the channel from now on, instead of ending the process.
	Hangups func() <-chan os.Signal
}

// Driver opens the bus that one value of the setting bus.driver means.
type Driver struct {
	Name string
	Open func(BusSettings) (bus.Bus, error)

	// Renew makes new connections of a bus that Open has returned use the certificates and the login of
	// other settings, which differ in nothing else. After an error nothing has changed. It is nil for a
	// bus without either.
	Renew func(bus.Bus, BusSettings) error
}

// BusSettings is what a Driver is told.
type BusSettings struct {
	config.Bus
	Message int    // bytes of the largest body that clients may send
	Node    string // the name of this node
	Log     *slog.Logger
}

// Main runs the command that the arguments name, and returns the exit code. The end of ctx stops
// what runs; serve drains then, which is no failure.
func Main(ctx context.Context, p Process) int {
	return cli.Run(ctx, newRootCmd(p), p.Args[1:], p.Stdin, p.Stdout, p.Stderr)
}

func newRootCmd(p Process) *cobra.Command {
	open := func(ctx context.Context, cfg *config.Config, node registry.Node, log *slog.Logger, hint string) (bus.Bus, error) {
		return openBus(ctx, cfg, p.Drivers, node, log, hint)
	}
	opener := func(cfg *config.Config) (func(config.Bus, registry.Node, *slog.Logger) (bus.Bus, error), error) {
		d, err := findDriver(cfg, p.Drivers)
		return func(b config.Bus, node registry.Node, log *slog.Logger) (bus.Bus, error) {
			return d.Open(BusSettings{Bus: b, Message: int(cfg.Limits.Message), Node: node.String(), Log: log})
		}, err
	}
	root := cli.Group("stompgw", "A STOMP gateway: WebSocket and TCP clients in front, a message broker behind",
		slices.Concat(operate.Commands(), message.Commands(open), probe.Commands(opener))...)
	root.AddCommand(newServeCmd(p), newCompletionCmd(), newVersionCmd())
	root.Version = newBuild().String()
	root.SetVersionTemplate("{{.Version}}\n")
	return root
}
