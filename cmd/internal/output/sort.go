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

// sortBy has the rows sorted by a column. Numbers, times and sizes are in order as such, before text, and what
// is not known is last; of equal rows the first comes first.
func (w *Writer) sortBy(column string) error {
	columns := w.o.columns(Wide)
	w.column = slices.IndexFunc(columns, func(c string) bool { return strings.EqualFold(c, strings.TrimPrefix(column, "-")) })
	if column != "" && w.column < 0 {
		return fmt.Errorf("--sort %s: the columns are %s", Printable(column), strings.ToLower(strings.Join(columns, ", ")))
	}
	return nil
}

func (w *Writer) keep(r Row) error {
	if len(w.kept) == maxSorted {
		return fmt.Errorf("there are more than the %d rows that can be sorted: narrow them down with a filter", maxSorted)
	}
	w.kept = append(w.kept, r)
	return nil
}

func (w *Writer) sorted() []Row {
	falls := strings.HasPrefix(w.o.Sort, "-")
	slices.SortStableFunc(w.kept, func(a, b Row) int { return compare(a.Cells[w.column], b.Cells[w.column], falls) })
	if w.o.Most > 0 {
		return w.kept[:min(len(w.kept), w.o.Most)]
	}
	return w.kept
}

func compare(a, b string, falls bool) int {
	const unknown = "-"
	switch {
	case a == b:
		return 0
	case a == unknown:
		return 1
	case b == unknown:
		return -1
	case falls:
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
