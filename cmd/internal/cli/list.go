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
	output.Options // of its table
	Format         string
	noHeaders      bool
	Sort           string        // a column; empty for none
	Most           int           // rows of what is sorted, 0 for all
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
	o, s := t.Options, ScreenOf(w)
	o.Headers, o.Terminal, o.Width, o.Bold = !t.noHeaders, s.Terminal, s.Width, s.Bold
	return o
}

// Writer is what the list is written to.
func (t *List) Writer(cmd *cobra.Command) (output.Writer, error) {
	out := cmd.OutOrStdout()
	w, err := output.New(out, t.Format, t.options(out))
	if err != nil || t.Sort == "" {
		return w, err
	}
	if w, err = output.Sorted(w, t.Options, t.Sort, t.Most); err != nil {
		return nil, Misuse(cmd, err)
	}
	return w, nil
}

// Write writes the list.
func (t *List) Write(cmd *cobra.Command, rows func(output.Writer) error) error {
	w, err := t.Writer(cmd)
	if err != nil {
		return err
	}
	if err := rows(w); err != nil {
		return err
	}
	return w.Close()
}

// Act writes what becomes of things as it is done to them. What was done is told, whatever comes then.
func (t *List) Act(cmd *cobra.Command, do func(output.Writer) error) error {
	w, err := t.Writer(cmd)
	if err != nil {
		return err
	}
	last := &Lasting{Writer: w}
	return errors.Join(do(last), last.Close())
}

// Lasting is a Writer for what goes on though it can't be told, because it has begun: what goes wrong
// comes with Close alone, and that nobody reads is nothing wrong.
type Lasting struct {
	output.Writer
	err error // the first
}

func (l *Lasting) Row(r output.Row) error {
	l.do(func() error { return l.Writer.Row(r) })
	return nil
}

func (l *Lasting) Flush() error {
	l.do(l.Writer.Flush)
	return nil
}

func (l *Lasting) Close() error {
	l.do(l.Writer.Close)
	if errors.Is(l.err, ErrEnough) {
		return nil
	}
	return l.err
}

func (l *Lasting) do(write func() error) {
	if l.err == nil {
		l.err = write()
	}
}

// One writes one thing.
func (t *List) One(cmd *cobra.Command, fields []output.Field, r output.Row) error {
	out := cmd.OutOrStdout()
	return output.One(out, t.Format, t.options(out), fields, r)
}
