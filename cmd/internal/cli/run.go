// Package cli holds what the commands share: how they are run and the exit codes they end with, where they get
// the configuration, their lists and questions, and the words for what goes wrong.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/config"
)

// Run runs the command below root that the arguments name, and returns the exit code.
func Run(ctx context.Context, root *cobra.Command, args []string, stdin io.Reader, to, stderr io.Writer) int {
	root.SilenceUsage, root.SilenceErrors = true, true // printed here
	root.SetFlagErrorFunc(flagError)
	checkArgs(root)
	root.SetArgs(args)
	out := &stdout{Writer: to}
	root.SetOut(out)
	root.SetErr(stderr)
	root.SetIn(stdin)
	adoptCompletion(root)
	adoptHelp(root)
	err := root.ExecuteContext(ctx)
	switch {
	case errors.Is(err, ErrEnough):
		return int(Done)
	case out.err != nil && !errors.Is(out.err, ErrEnough):
		err = fmt.Errorf("can't write the output: %w", Cause(out.err))
	case err == nil:
		return int(Done)
	case errors.Is(err, ErrTold):
		return int(CodeOf(err))
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(stderr, "stompgw: %s\n", line)
	}
	return int(CodeOf(err))
}

// checkArgs has the commands below one that don't say otherwise check their arguments.
func checkArgs(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		if below.Args == nil {
			below.Args = Takes
		}
		checkArgs(below)
	}
}

// adoptCompletion adds cobra's commands for the scripts of shells, whose mistakes are told as those of the others.
func adoptCompletion(root *cobra.Command) {
	root.CompletionOptions.DisableNoDescFlag = true
	root.InitDefaultCompletionCmd()
	adopted, _, err := root.Find([]string{"completion"})
	if err != nil || adopted == root {
		return
	}
	group := Group("completion", "Print a script for shell completion", adopted.Commands()...)
	for _, shell := range group.Commands() {
		shell.Args = Takes
	}
	root.RemoveCommand(adopted)
	root.AddCommand(group)
}

// adoptHelp adds cobra's command that helps about others, which says nothing of those that don't exist.
func adoptHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil || help == root {
		return
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		if cmd, rest, _ := root.Find(args); len(rest) > 0 {
			return unknownCommand(cmd, rest[0])
		}
		return nil
	}
}

// ErrEnough reports that nobody reads any more, such as behind | head. It is no fault.
var ErrEnough = errors.New("nobody reads what is written")

// stdout remembers that a write has failed: what was asked for has not been told then.
type stdout struct {
	io.Writer
	err error
}

func (o *stdout) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		err = ErrEnough
	}
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// Group returns a command that is only there for those below it.
func Group(name, short string, below ...*cobra.Command) *cobra.Command {
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

// Takes checks how many arguments a command gets, by the names behind its own in Use: one in brackets may be left out,
// and one with dots may be several.
func Takes(cmd *cobra.Command, args []string) error {
	names := strings.Fields(cmd.Use)[1:]
	if i := slices.IndexFunc(names, func(word string) bool { return strings.HasPrefix(word, "-") }); i >= 0 {
		names = names[:i]
	}
	n, most := len(args), len(names)
	switch {
	case n < most && !strings.HasPrefix(names[n], "["):
		return Misuse(cmd, fmt.Errorf("%s is missing", strings.TrimRight(names[n], ".…")))
	case n > most && (most == 0 || !strings.ContainsAny(names[most-1], ".…")):
		return Misuse(cmd, fmt.Errorf("there is no argument for %q here", args[most]))
	}
	return nil
}

func Misuse(cmd *cobra.Command, err error) error {
	return Exit(Usage, fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
}

// ExitCode is what the process ends with. Scripts rely on the numbers.
type ExitCode int

const (
	Done          ExitCode = 0
	Failed        ExitCode = 1
	Usage         ExitCode = 2
	Configuration ExitCode = 3
	Unreachable   ExitCode = 4
	NotAllowed    ExitCode = 5
	NoMatch       ExitCode = 6
	Partial       ExitCode = 7 // some of it is done
	TimedOut      ExitCode = 8
	Missed        ExitCode = 9 // a benchmark's figures, or what the rules say, are not as they should be
)

// ExitError is an error of a kind that has an exit code.
type ExitError struct {
	code ExitCode
	err  error
}

// Exit gives an error the exit code of its kind.
func Exit(code ExitCode, err error) error { return &ExitError{code, err} }

func (e *ExitError) Error() string { return e.err.Error() }

func (e *ExitError) Unwrap() error { return e.err }

// ErrTold is the error of a command whose output says all there is to say.
var ErrTold = errors.New("told already")

func CodeOf(err error) ExitCode {
	if exit, ok := errors.AsType[*ExitError](err); ok {
		return exit.code
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		return Configuration
	}
	return Failed
}
