// Package cmd is the program: the root of its commands, and serve with what it wires together. The other
// commands are in packages of their own below internal; they parse, make one call, and print.
//
// What was asked for goes to stdout, everything else to stderr. A command that fails prints one
// line for each thing that is wrong, and ends the process with the code of its kind (cli.ExitCode).
package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/bench"
	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/message"
	"github.com/stompgw/stompgw/cmd/internal/operate"
	"github.com/stompgw/stompgw/cmd/internal/probe"
)

// Process is what the commands see of the process they run in.
type Process struct {
	Args           []string // the program's name first
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Drivers        []bus.Driver // of the buses that are built in, the default first

	// Hangups makes SIGHUP come over the channel from now on, instead of ending the process.
	Hangups func() <-chan os.Signal
}

// Main runs the command that the arguments name, and returns the exit code. The end of ctx stops
// what runs; serve drains then, which is no failure.
func Main(ctx context.Context, p Process) int {
	return cli.Run(ctx, newRootCmd(p), p.Args[1:], p.Stdin, p.Stdout, p.Stderr)
}

func newRootCmd(p Process) *cobra.Command {
	root := cli.Group("stompgw", "A STOMP gateway: WebSocket and TCP clients in front, a message broker behind",
		slices.Concat(operate.Commands(p.Drivers), message.Commands(p.Drivers), probe.Commands(p.Drivers))...)
	root.AddCommand(newServeCmd(p), bench.Command(), newVersionCmd())
	addVersionFlag(root)
	return root
}

// addVersionFlag lets the root print what `version` prints. Cobra's own flag needs a template for that, which makes the
// linker keep every exported method (see outside in gateway/imports_test.go).
func addVersionFlag(root *cobra.Command) {
	version := root.Flags().BoolP("version", "v", false, "version for "+root.Name())
	help := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if !*version {
			return help(cmd, args)
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), newBuild())
		return err
	}
}
