package cmd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/stompgw/stompgw/cmd/internal/output"
)

// screen is what a table is written to.
type screen struct {
	terminal bool
	width    int  // in character cells, 0 when it can't be told
	bold     bool // it can show text so
}

// screenOf returns what w is. COLUMNS wins over what the terminal says; NO_COLOR is for people who want
// no bold text either.
func screenOf(w io.Writer) screen {
	f, ok := terminalOf(w)
	if !ok {
		return screen{}
	}
	kind := os.Getenv("TERM")
	s := screen{terminal: true, bold: os.Getenv("NO_COLOR") == "" && kind != "" && kind != "dumb"}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		s.width = n
	} else if n, _, err := term.GetSize(int(f.Fd())); err == nil {
		s.width = n
	}
	return s
}

// isTerminal reports whether a person reads w, not a program.
func isTerminal(w io.Writer) bool {
	_, ok := terminalOf(w)
	return ok
}

func terminalOf(stream any) (*os.File, bool) {
	if out, ok := stream.(*stdout); ok {
		stream = out.Writer
	}
	f, ok := stream.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// listing is what the flags say of a command's output.
type listing struct {
	format    string
	noHeaders bool
	sort      string        // a column; empty for none
	most      int           // rows of what is sorted, 0 for all
	watch     time.Duration // after which it is shown again; 0 for once
}

// newListing gives a command the flags of a list, which has all formats but those without.
func newListing(cmd *cobra.Command, without ...string) *listing {
	t := newForm(cmd, without...)
	cmd.Flags().BoolVar(&t.noHeaders, "no-headers", false, "leave the line of column names out of the table")
	return t
}

// newWatched gives a command the flags of a list that changes by itself, with these columns.
func newWatched(cmd *cobra.Command, columns []string, without ...string) *listing {
	t := newListing(cmd, without...)
	flags := cmd.Flags()
	flags.StringVar(&t.sort, "sort", "", "in the order of this `COLUMN`; with a dash before it, such as -age, the other way round")
	durationVar(flags, &t.watch, "watch", 0, leastWatch, "show it again every 2s, or --watch=`TIME`, until Ctrl-C")
	flags.Lookup("watch").NoOptDefVal = "2s"
	var names []string
	for _, column := range columns {
		names = append(names, strings.ToLower(column))
	}
	completeFlag(cmd, "sort", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return t
}

// leastWatch keeps a cluster from being asked all the time.
const leastWatch = 100 * time.Millisecond

// watch shows a list once, or with --watch again and again until Ctrl-C.
func (c *console) watch(cmd *cobra.Command, t *listing, show func() error) error {
	if t.watch == 0 {
		return show()
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	out := cmd.OutOrStdout()
	defer watchReader(out, stop)()
	again := time.NewTicker(t.watch)
	defer again.Stop()
	for {
		if c.screen(out).terminal {
			io.WriteString(out, "\x1b[H\x1b[2J") // the rows are written next, and tell if it can't be
		}
		if err := show(); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// newForm gives a command the flag of what shows one thing.
func newForm(cmd *cobra.Command, without ...string) *listing {
	t := new(listing)
	formats := slices.DeleteFunc(output.Formats(), func(format string) bool { return slices.Contains(without, format) })
	cmd.Flags().StringVarP(&t.format, "output", "o", formats[0], "`FORMAT`: "+strings.Join(formats, ", "))
	completeFlag(cmd, "output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !slices.Contains(formats, t.format) {
			return usageError(cmd, fmt.Errorf("-o %s: the formats are %s", output.Printable(t.format), strings.Join(formats, ", ")))
		}
		return nil
	}
	return t
}

// options completes those of a table for a screen.
func (t *listing) options(o output.Options, s screen) output.Options {
	o.Headers, o.Terminal, o.Width, o.Bold = !t.noHeaders, s.terminal, s.width, s.bold
	return o
}

// confirm asks a person, and reports whether the answer is yes.
func confirm(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprintf(out, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // ends with a line, or with the process: nothing else ends a read from a terminal
		line, _ := bufio.NewReader(io.LimitReader(in, 1024)).ReadString('\n') // the end of the input is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false, ctx.Err()
	case line := <-answer:
		return line == "y" || line == "yes", nil
	}
}

// completeFlag names what a shell offers as the value of a flag.
func completeFlag(cmd *cobra.Command, flag string, offer cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, offer); err != nil {
		panic(err) // the command has no such flag
	}
}
