// Package output writes what a command found, row by row, in the form that was asked for.
//
// A table for a terminal is at most as wide as the terminal; for a program its cells are whole, with one
// tab between them. Rows reach the output in pages, so memory does not grow with their number.
package output

import (
	"bufio"
	"cmp"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Row is one thing to show.
type Row struct {
	Cells []string // of the table: first those of Options.Columns, then those of Options.Wide
	Name  string   // the one name that other commands take
	Value any      // for JSON and YAML
}

// The formats.
const (
	Table = "table" // columns
	Wide  = "wide"  // more columns
	JSON  = "json"  // an array, with one element a line
	Lines = "jsonl" // a value of JSON a line, as soon as it is known
	YAML  = "yaml"  // a list, with the keys and types of JSON
	Names = "name"  // one name a line
)

// Formats are the names that New takes, the default first.
func Formats() []string { return []string{Table, Wide, JSON, Lines, YAML, Names} }

// Options say how a table looks.
type Options struct {
	Columns []string
	Wide    []string // more columns behind them, in the format wide
	Cuts    []Cut    // the columns that give way when the terminal is too narrow, the first first
	Headers bool     // write the columns' names first
	Screen           // what it is written to
	Page    int      // rows that are aligned with each other and written together, default 500
	Sort    string   // the column whose order all rows are in, with "-" before its name in the opposite one; default as they come
	Most    int      // rows of those that are sorted, 0 for all
}

// Screen is what a table is written to.
type Screen struct {
	Terminal bool // align the columns with spaces, for a person; else one tab between, for a program
	Width    int  // of a terminal in character cells, 0 when it can't be told, which is taken for 80
	Bold     bool // a terminal can show the columns' names so
}

// Cut is a column whose cells are cut where they have to be.
type Cut struct {
	Column string
	Least  int // character cells that it keeps as long as any other column can give way
}

// columns are those that a format shows.
func (o Options) columns(format string) []string {
	if format == Wide {
		return slices.Concat(o.Columns, o.Wide)
	}
	return o.Columns
}

// Writer writes rows. They reach the output page by page, or with Flush; Close writes the rest. What could not be
// written is the error of every call from then on, so that of Close says all.
type Writer struct {
	o    Options
	form form
	out  *bufio.Writer
	rows int   // since the start
	err  error // of a row that has no JSON; out keeps its own

	column int   // of Options.Sort
	kept   []Row // to be sorted
}

// form is a format. It writes to a bufio.Writer, whose Flush tells what went wrong.
type form interface {
	row(Row) error // of one that has no JSON
	flush()        // writes the rows that are kept
	end()          // writes them and what stands behind the last
}

// New returns a Writer of one of Formats. The error is of Options.Sort.
func New(w io.Writer, format string, o Options) (*Writer, error) {
	o.Page = cmp.Or(o.Page, 500)
	p := &Writer{o: o, out: bufio.NewWriter(w)}
	if (format == Table || format == Wide) && o.Terminal {
		p.form = newTable(p.out, o.columns(format), o)
	} else {
		p.form = newTexts(p.out, format, o)
	}
	return p, p.sortBy(o.Sort)
}

// Each writes a row for each of several things.
func Each[T any](w *Writer, things []T, row func(T) Row) error {
	for _, thing := range things {
		if err := w.Row(row(thing)); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) Row(r Row) error {
	if w.o.Sort != "" {
		return w.keep(r)
	}
	return w.write(r)
}

func (w *Writer) write(r Row) error {
	if w.err == nil {
		w.err = w.form.row(r)
	}
	if w.rows++; w.rows%w.o.Page == 0 {
		return w.Flush()
	}
	return w.err
}

func (w *Writer) Flush() error {
	w.form.flush()
	return cmp.Or(w.err, w.out.Flush())
}

func (w *Writer) Close() error {
	for _, r := range w.sorted() {
		if err := w.write(r); err != nil {
			return err
		}
	}
	w.form.end()
	return cmp.Or(w.err, w.out.Flush())
}

// Printable keeps what others wrote from moving the cursor of a terminal, or into another column.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// printable are the cells of a row that a table of so many columns shows.
func printable(r Row, columns int) []string {
	texts := make([]string, columns)
	for i := range texts {
		texts[i] = Printable(r.Cells[i])
	}
	return texts
}
