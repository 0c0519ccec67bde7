// Package output writes what a command found, row by row, in the form that was asked for.
//
// A table for a terminal is as wide as that at most; for a program its cells are whole, with one tab
// between. Rows reach the output in pages, so that memory does not grow with their number.
package output

import (
	"bufio"
	"fmt"
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

// Writer writes rows. They reach the output page by page, or with Flush; Close writes the rest.
type Writer interface {
	Row(Row) error
	Flush() error
	Close() error
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
	Columns  []string
	Wide     []string // more columns behind them, in the format wide
	Cuts     []Cut    // the columns that give way when the terminal is too narrow, the first first
	Headers  bool     // write the columns' names first
	Terminal bool     // align the columns with spaces, for a person; else one tab between, for a program
	Width    int      // of the terminal in character cells, default 80
	Bold     bool     // show the names so, on a terminal
	Page     int      // rows that are aligned with each other and written together, default 500
}

// Cut is a column whose cells are cut where they have to be.
type Cut struct {
	Column string
	Least  int // character cells that it keeps as long as any other column can give way
}

// New returns a Writer of one of Formats.
func New(w io.Writer, format string, o Options) (Writer, error) {
	if err := checkFormat(format); err != nil {
		return nil, err
	}
	if o.Page <= 0 {
		o.Page = 500
	}
	p := &pages{out: bufio.NewWriter(w), page: o.Page}
	if format == Table || format == Wide {
		p.form = newTable(p.out, format == Wide, o)
	} else {
		p.form = newTexts(p.out, format)
	}
	return p, nil
}

func checkFormat(format string) error {
	if !slices.Contains(Formats(), format) {
		return fmt.Errorf("-o %s: the formats are %s", Printable(format), strings.Join(Formats(), ", "))
	}
	return nil
}

// form is a format.
type form interface {
	row(Row) error
	flush() error // writes the rows that are kept
	end() error   // writes them and what stands behind the last
}

// pages is the Writer of all formats.
type pages struct {
	form form
	out  *bufio.Writer
	page int // rows
	rows int // since the start
}

func (p *pages) Row(r Row) error {
	if err := p.form.row(r); err != nil {
		return err
	}
	if p.rows++; p.rows%p.page == 0 {
		return p.Flush()
	}
	return nil
}

func (p *pages) Flush() error {
	if err := p.form.flush(); err != nil {
		return err
	}
	return p.out.Flush()
}

func (p *pages) Close() error {
	if err := p.form.end(); err != nil {
		return err
	}
	return p.out.Flush()
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
