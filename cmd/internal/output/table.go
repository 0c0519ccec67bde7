package output

import (
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// The spaces between two columns, and how few they become before a column without a Cut gives way.
const (
	usualGap = 3
	leastGap = 1
)

// glimpse is how few character cells a column with a Cut keeps before one without gives way.
const glimpse = 4

const ellipsis = "…"

// cells measures printable texts in character cells, in the same way whatever language the environment names.
func cells() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

// table is the formats table and wide for a terminal. It keeps the rows of a page, to align them.
type table struct {
	w       io.Writer
	o       Options
	columns []string // those that are shown
	headed  bool
	rows    [][]string // of this page
	widths  []int      // of the longest cells so far, so that columns only grow from page to page
}

func newTable(w io.Writer, columns []string, o Options) *table {
	if o.Width <= 0 {
		o.Width = 80
	}
	t := &table{w: w, o: o, columns: columns, headed: !o.Headers, widths: make([]int, len(columns))}
	if o.Headers {
		t.measure(columns)
	}
	return t
}

func (t *table) measure(texts []string) {
	for i, text := range texts {
		t.widths[i] = max(t.widths[i], cells().StringWidth(text))
	}
}

func (t *table) row(r Row) error {
	texts := printable(r, len(t.columns))
	t.measure(texts)
	t.rows = append(t.rows, texts)
	return nil
}

func (t *table) flush() {
	if len(t.rows) > 0 {
		t.end()
	}
}

// end writes the columns' names if nothing else did: an empty table has them too. They wait for a
// row or the end, so that a command that fails writes nothing.
func (t *table) end() {
	widths, gap := fit(t.columns, t.widths, t.o)
	if names := t.aligned(t.columns, widths, gap); !t.headed {
		t.headed = true
		if t.o.Bold {
			names = bold(names)
		}
		io.WriteString(t.w, names+"\n")
	}
	for _, texts := range t.rows {
		io.WriteString(t.w, t.aligned(texts, widths, gap)+"\n")
	}
	clear(t.rows) // the cells are not kept
	t.rows = t.rows[:0]
}

// aligned returns a line of cells that begin below each other. What follows the last is not padded.
func (t *table) aligned(texts []string, widths []int, gap int) string {
	var line strings.Builder
	for i, text := range texts {
		line.WriteString(cells().FillRight(cells().Truncate(text, widths[i], ellipsis), widths[i]+gap))
	}
	return strings.TrimRight(cells().Truncate(strings.TrimRight(line.String(), " "), t.o.Width, ellipsis), " ")
}

// fit returns how wide the columns become where a line has o.Width, and how many spaces stand between. The
// columns of o.Cuts give way first, then the spaces, then those columns again, then whatever is widest.
func fit(columns []string, natural []int, o Options) (widths []int, gap int) {
	widths, gap = slices.Clone(natural), usualGap
	excess := func() int {
		total := gap * (len(widths) - 1)
		for _, w := range widths {
			total += w
		}
		return max(total-o.Width, 0)
	}
	give := func(least func(Cut) int) {
		for _, c := range o.Cuts {
			if i := slices.Index(columns, c.Column); i >= 0 {
				widths[i] = max(widths[i]-excess(), min(widths[i], least(c)))
			}
		}
	}
	give(func(c Cut) int { return c.Least })
	for gap > leastGap && excess() > 0 {
		gap--
	}
	give(func(Cut) int { return glimpse })
	for excess() > 0 {
		i := slices.Index(widths, slices.Max(widths))
		if widths[i] == 1 {
			break // lines are cut as a whole
		}
		widths[i]--
	}
	return widths, gap
}

func bold(text string) string { return "\x1b[1m" + text + "\x1b[0m" }
