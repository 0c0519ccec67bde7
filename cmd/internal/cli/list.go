package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stompgw/stompgw/cmd/internal/output"
)

// List is what the flags say of a command's output.
type List struct {
	output.Options // of its table, but for what is written to
	Format         string
	noHeaders      bool
	watch          time.Duration // after which it is shown again; 0 for once
}

// NewList gives a command the flags of a list, which has all formats but those without.
func NewList(cmd *cobra.Command, o output.Options, without ...string) *List {
	t := NewForm(cmd, without...)
	t.Options = o
	cmd.Flags().BoolVar(&t.noHeaders, "no-headers", false, "leave out the column names")
	return t
}

// NewWatched gives a command the flags of a list that changes by itself.
func NewWatched(cmd *cobra.Command, o output.Options, without ...string) *List {
	t := NewList(cmd, o, without...)
	flags := cmd.Flags()
	flags.StringVar(&t.Sort, "sort", "", "sort by this `COLUMN`; with a dash in front, such as -age, in reverse")
	DurationVar(flags, &t.watch, "watch", 0, leastWatch, "repeat every 2s, or every `TIME` with --watch=TIME, until Ctrl-C")
	flags.Lookup("watch").NoOptDefVal = "2s"
	var names []string
	for _, column := range slices.Concat(o.Columns, o.Wide) {
		names = append(names, strings.ToLower(column))
	}
	CompleteFlag(cmd, "sort", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	return t
}

// leastWatch keeps a cluster from being asked all the time.
const leastWatch = 100 * time.Millisecond

// Repeat shows a list once, or with --watch again and again until Ctrl-C.
func (t *List) Repeat(cmd *cobra.Command, show func() error) error {
	if t.watch == 0 {
		return show()
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	out := cmd.OutOrStdout()
	defer WatchReader(out, stop)()
	again := time.NewTicker(t.watch)
	defer again.Stop()
	for {
		if ScreenOf(out).Terminal {
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

// NewForm gives a command the flag of what shows one thing.
func NewForm(cmd *cobra.Command, without ...string) *List {
	t := new(List)
	FormatVar(cmd, &t.Format, slices.DeleteFunc(output.Formats(), func(format string) bool { return slices.Contains(without, format) })...)
	return t
}

// options are those for what w is.
func (t *List) options(w io.Writer) output.Options {
	o := t.Options
	o.Headers, o.Screen = !t.noHeaders, ScreenOf(w)
	return o
}

// Writer is what the list is written to.
func (t *List) Writer(cmd *cobra.Command) (*output.Writer, error) {
	out := cmd.OutOrStdout()
	w, err := output.New(out, t.Format, t.options(out))
	if err != nil {
		return nil, Misuse(cmd, err)
	}
	return w, nil
}

// Write writes the list.
func (t *List) Write(cmd *cobra.Command, rows func(*output.Writer) error) error {
	w, err := t.Writer(cmd)
	if err != nil {
		return err
	}
	if err := rows(w); err != nil {
		return err
	}
	return w.Close()
}

// Finish ends a list of what was done, and goes on though it can't be told: that nobody reads is nothing wrong.
func Finish(w *output.Writer) error {
	if err := w.Close(); !errors.Is(err, ErrEnough) {
		return err
	}
	return nil
}

// One writes one thing.
func (t *List) One(cmd *cobra.Command, fields []output.Field, r output.Row) error {
	out := cmd.OutOrStdout()
	return output.One(out, t.Format, t.options(out), fields, r)
}
