// Package cmd holds the commands of stompgw, a file each: they parse, make one call, and print.
//
// What was asked for goes to stdout, everything else to stderr. A command that fails prints one
// line for each thing that is wrong, and ends the process with the code of its kind (exit.go).
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/config"
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
	root := newRootCmd(p)
	root.SetArgs(p.Args[1:])
	out := &stdout{Writer: p.Stdout}
	root.SetOut(out)
	root.SetErr(p.Stderr)
	root.SetIn(p.Stdin)
	err := root.ExecuteContext(ctx)
	switch {
	case errors.Is(err, errEnough):
		return int(done)
	case out.err != nil && !errors.Is(out.err, errEnough):
		err = fmt.Errorf("can't write the output: %w", cause(out.err))
	case err == nil:
		return int(done)
	case errors.Is(err, errTold):
		return int(codeOf(err))
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(p.Stderr, "stompgw: %s\n", line)
	}
	return int(codeOf(err))
}

// errEnough reports that nobody reads any more, such as behind | head. It is no fault.
var errEnough = errors.New("nobody reads what is written")

// stdout remembers that a write has failed: what was asked for has not been told then.
type stdout struct {
	io.Writer
	err error
}

func (o *stdout) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		err = errEnough
	}
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

func newRootCmd(p Process) *cobra.Command {
	root := group("stompgw", "A STOMP gateway: WebSocket and TCP clients in front, a message broker behind",
		newServeCmd(p),
		group("config", "Look at configurations", newConfigCheckCmd(p.Drivers), newConfigShowCmd(), newConfigDefaultCmd()),
		group("sessions", "Look at the sessions of all live nodes, and end some", newSessionsListCmd(), newSessionsShowCmd(), newSessionsCountCmd(),
			newSessionsKickCmd(), newSessionsBlockedCmd(), newSessionsUnblockCmd()),
		newMembersCmd(),
		group("nodes", "Look at the live nodes, and have one let its sessions go", newNodesListCmd(), newNodesShowCmd(), newNodesDrainCmd()),
		newPublishCmd(p.Drivers),
		newSubscribeCmd(),
		group("policy", "Look at the rules", newPolicyTestCmd()),
		group("token", "Make and check tokens of clients", newTokenGenCmd(), newTokenCheckCmd()),
		newExplainCmd(),
		newCompletionCmd(),
		newVersionCmd(),
	)
	root.SilenceUsage, root.SilenceErrors = true, true // Main prints
	root.SetFlagErrorFunc(flagError)
	root.Version = newBuild().String()
	root.SetVersionTemplate("{{.Version}}\n")
	return root
}

// group returns a command that is only there for those below it.
func group(name, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownCommand(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	if one, several := strings.CutSuffix(name, "s"); several {
		cmd.Aliases = []string{one}
	}
	cmd.AddCommand(below...)
	return cmd
}

// takes checks how many arguments a command gets; names are theirs.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageError(cmd, fmt.Errorf("%s is missing", names[len(args)]))
		case len(args) > len(names):
			return usageError(cmd, fmt.Errorf("there is no argument for %q here", args[len(names)]))
		}
		return nil
	}
}

func usageError(cmd *cobra.Command, err error) error {
	return &exitError{usage, fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
}
