// Package output writes what a command found, row by row, in the form that was asked for.
package output

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Row is one thing to show.
type Row struct {
	Cells []string // of the table, as many as there are columns
	Name  string   // the one name that other commands take
	Value any      // for JSON
}

// Writer writes rows. Rows reach the output in bounded pages; Close writes the rest.
type Writer interface {
	Row(Row) error
	Close() error
}

// Formats are the names that New takes, the default first.
func Formats() []string { return []string{"table", "json", "name"} }

// Options say how a table looks.
type Options struct {
	Columns  []string
	Headers  bool // write the columns' names first
	Terminal bool // align the columns with spaces, for a person; else one tab between, for a program
}

// New returns a Writer of one of Formats.
func New(w io.Writer, format string, o Options) (Writer, error) {
	switch format {
	case "table":
		return newTable(w, o), nil
	case "json":
		return &list{w: w}, nil
	case "name":
		return names{w}, nil
	}
	return nil, fmt.Errorf("-o %s: the formats are %s", format, strings.Join(Formats(), ", "))
}

// page is after how many rows an aligned table is written out, so that memory stays bounded.
// Columns may then change their width from one page to the next.
const page = 1000

type table struct {
	w       io.Writer
	tabs    *tabwriter.Writer // nil when nothing is aligned
	columns []string          // not written yet; nil when done
	rows    int
}

func newTable(w io.Writer, o Options) *table {
	t := &table{w: w}
	if o.Terminal {
		t.tabs = tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
		t.w = t.tabs
	}
	if o.Headers {
		t.columns = o.Columns
	}
	return t
}

// head writes the columns' names. It waits for a row or the end, so that a command that fails
// writes nothing.
func (t *table) head() error {
	columns := t.columns
	t.columns = nil
	if columns == nil {
		return nil
	}
	return t.line(columns)
}

func (t *table) line(cells []string) error {
	shown := make([]string, len(cells))
	for i, cell := range cells {
		shown[i] = Printable(cell)
	}
	_, err := fmt.Fprintln(t.w, strings.Join(shown, "\t"))
	return err
}

func (t *table) Row(r Row) error {
	if err := t.head(); err != nil {
		return err
	}
	if err := t.line(r.Cells); err != nil {
		return err
	}
	if t.rows++; t.tabs != nil && t.rows%page == 0 {
		return t.tabs.Flush()
	}
	return nil
}

func (t *table) Close() error {
	if err := t.head(); err != nil || t.tabs == nil {
		return err
	}
	return t.tabs.Flush()
}

// list writes a JSON array with one element a line.
type list struct {
	w    io.Writer
	rows int
}

func (l *list) Row(r Row) error {
	text, err := json.Marshal(r.Value)
	if err != nil {
		return err
	}
	before := ",\n"
	if l.rows == 0 {
		before = "[\n"
	}
	l.rows++
	_, err = fmt.Fprintf(l.w, "%s%s", before, text)
	return err
}

func (l *list) Close() error {
	end := "\n]\n"
	if l.rows == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(l.w, end)
	return err
}

// names writes one name a line.
type names struct {
	w io.Writer
}

func (n names) Row(r Row) error {
	_, err := fmt.Fprintln(n.w, Printable(r.Name))
	return err
}

func (n names) Close() error { return nil }

// Printable keeps what others wrote from moving the cursor of a terminal, or into another column.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// Age writes how long ago something began, in at most two units: 5s, 3m12s, 4h5m, 3d2h.
func Age(d time.Duration) string {
	d = max(d, 0)
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
}
