package output

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxSorted is how many rows are kept in memory to be sorted.
const maxSorted = 100_000

// Sorted returns a Writer that gives w the rows in the order of a column of o when it is closed, or with
// "-" before its name in the opposite one; of equal rows the first comes first. Numbers, times and sizes
// are in order as such, before text, and what is not known is last. Only the first most rows are written,
// all for 0.
func Sorted(w Writer, o Options, column string, most int) (Writer, error) {
	name, falls := strings.CutPrefix(column, "-")
	columns := slices.Concat(o.Columns, o.Wide)
	i := slices.IndexFunc(columns, func(c string) bool { return strings.EqualFold(c, name) })
	if i < 0 {
		return nil, fmt.Errorf("--sort %s: the columns are %s", Printable(column), strings.ToLower(strings.Join(columns, ", ")))
	}
	return &sorted{Writer: w, column: i, falls: falls, most: most}, nil
}

type sorted struct {
	Writer
	column int
	falls  bool
	most   int
	rows   []Row
}

func (s *sorted) Row(r Row) error {
	if len(s.rows) == maxSorted {
		return fmt.Errorf("there are more than the %d rows that can be sorted: narrow them down with a filter", maxSorted)
	}
	s.rows = append(s.rows, r)
	return nil
}

func (s *sorted) Flush() error { return nil }

func (s *sorted) Close() error {
	slices.SortStableFunc(s.rows, func(a, b Row) int { return compare(a.Cells[s.column], b.Cells[s.column], s.falls) })
	rows := s.rows
	if s.most > 0 {
		rows = rows[:min(len(rows), s.most)]
	}
	for _, r := range rows {
		if err := s.Writer.Row(r); err != nil {
			return err
		}
	}
	return s.Writer.Close()
}

func compare(a, b string, falls bool) int {
	if a == "-" || b == "-" {
		return cmp.Compare(unknown(a), unknown(b))
	}
	if falls {
		a, b = b, a
	}
	m, isNumber := amount(a)
	n, both := amount(b)
	switch {
	case isNumber && both:
		return cmp.Compare(m, n)
	case isNumber:
		return -1
	case both:
		return 1
	}
	return cmp.Compare(a, b)
}

// unknown is 1 for the cell of what is not known, which is last.
func unknown(cell string) int {
	if cell == "-" {
		return 1
	}
	return 0
}

// amount is the number that a cell means: one itself, or what Age and Bytes write.
func amount(cell string) (n float64, ok bool) {
	cell = strings.TrimSuffix(strings.TrimPrefix(cell, "in "), " ago")
	if n, err := strconv.ParseFloat(cell, 64); err == nil {
		return n, true
	}
	units := map[string]float64{"d": 24 * 60 * 60, "h": 60 * 60, "m": 60, "s": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
	for cell != "" {
		digits := len(cell) - len(strings.TrimLeftFunc(cell, unicode.IsDigit))
		rest := cell[digits:]
		name := rest[:len(rest)-len(strings.TrimLeftFunc(rest, unicode.IsLetter))]
		count, err := strconv.Atoi(cell[:digits])
		unit, known := units[name]
		if err != nil || !known {
			return 0, false
		}
		n, ok = n+float64(count)*unit, true
		cell = rest[len(name):]
	}
	return n, ok
}
