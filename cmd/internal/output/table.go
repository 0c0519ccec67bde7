package output

import (
	"io"
	"strings"
)

// table is the formats table and wide. For a terminal it keeps the rows of a page, to align them.
type table struct {
	w       io.Writer
	o       Options
	columns []string // those that are shown
	headed  bool
	rows    [][]string // of this page, for a terminal
	widths  []int      // of the longest cells so far, so that columns only grow from page to page
}

func newTable(w io.Writer, wide bool, o Options) *table {
	t := &table{w: w, o: o, columns: o.Columns}
	if wide {
		t.columns = append(t.columns[:len(t.columns):len(t.columns)], o.Wide...)
	}
	if t.o.Width <= 0 {
		t.o.Width = 80
	}
	t.widths = make([]int, len(t.columns))
	return t
}

func (t *table) row(r Row) error {
	cells := make([]string, len(t.columns))
	for i := range min(len(cells), len(r.Cells)) {
		cells[i] = Printable(r.Cells[i])
	}
	if t.o.Terminal {
		t.rows = append(t.rows, cells)
		return nil
	}
	if err := t.head(); err != nil {
		return err
	}
	return t.tabbed(cells)
}

func (t *table) flush() error {
	if len(t.rows) == 0 {
		return nil
	}
	return t.end()
}

// end writes the columns' names if nothing else did: an empty table has them too. They wait for a
// row or the end, so that a command that fails writes nothing.
func (t *table) end() error {
	if !t.o.Terminal {
		return t.head()
	}
	t.measure()
	widths, gap := fit(t.columns, t.widths, t.o)
	if err := t.alignedHead(widths, gap); err != nil {
		return err
	}
	for _, cells := range t.rows {
		if err := t.line(t.aligned(cells, widths, gap)); err != nil {
			return err
		}
	}
	clear(t.rows) // the cells are not kept
	t.rows = t.rows[:0]
	return nil
}

func (t *table) head() error {
	if t.headed || !t.o.Headers {
		return nil
	}
	t.headed = true
	return t.tabbed(t.columns)
}

func (t *table) tabbed(cells []string) error { return t.line(strings.Join(cells, "\t")) }

func (t *table) line(text string) error {
	_, err := io.WriteString(t.w, text+"\n")
	return err
}

func (t *table) measure() {
	for i := range t.widths {
		if t.o.Headers {
			t.widths[i] = max(t.widths[i], width(t.columns[i]))
		}
		for _, cells := range t.rows {
			t.widths[i] = max(t.widths[i], width(cells[i]))
		}
	}
}

func (t *table) alignedHead(widths []int, gap int) error {
	if t.headed || !t.o.Headers {
		return nil
	}
	t.headed = true
	text := t.aligned(t.columns, widths, gap)
	if t.o.Bold {
		text = bold(text)
	}
	return t.line(text)
}

// aligned returns a line of cells that begin below each other. What follows the last is not padded.
func (t *table) aligned(cells []string, widths []int, gap int) string {
	var line strings.Builder
	spaces := 0
	for i, cell := range cells {
		text := shorten(cell, widths[i], cutOf(t.o.Cuts, t.columns[i]).Middle)
		line.WriteString(strings.Repeat(" ", spaces))
		line.WriteString(text)
		spaces = widths[i] - width(text) + gap
	}
	return strings.TrimRight(shorten(line.String(), t.o.Width, false), " ")
}

func bold(text string) string { return "\x1b[1m" + text + "\x1b[0m" }
