package output

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// The spaces between two columns, and how few they become before a column without a Cut gives way.
const (
	usualGap = 3
	leastGap = 1
)

// glimpse is how few character cells a column with a Cut keeps before one without gives way.
const glimpse = 4

// fit returns how wide the columns become where a line has o.Width, in character cells, and how many
// spaces stand between. The columns of o.Cuts give way first, then the spaces, then those columns
// again, then whatever is widest.
func fit(columns []string, natural []int, o Options) (widths []int, gap int) {
	widths, gap = slices.Clone(natural), usualGap
	excess := func() int { return max(sum(widths)+gap*max(len(widths)-1, 0)-o.Width, 0) }
	cut := func(c Cut, least int) {
		if i := slices.Index(columns, c.Column); i >= 0 {
			widths[i] = max(widths[i]-excess(), min(widths[i], least))
		}
	}
	for _, c := range o.Cuts {
		cut(c, c.Least)
	}
	for gap > leastGap && excess() > 0 {
		gap--
	}
	for _, c := range o.Cuts {
		cut(c, glimpse)
	}
	for excess() > 0 {
		i := widest(widths)
		if i < 0 || widths[i] <= 1 {
			break // lines are cut as a whole
		}
		widths[i]--
	}
	return widths, gap
}

func sum(numbers []int) (total int) {
	for _, n := range numbers {
		total += n
	}
	return total
}

// widest returns the index of the largest, the last of several; -1 for none.
func widest(widths []int) int {
	at := -1
	for i, w := range widths {
		if at < 0 || w >= widths[at] {
			at = i
		}
	}
	return at
}

func cutOf(cuts []Cut, column string) Cut {
	if i := slices.IndexFunc(cuts, func(c Cut) bool { return c.Column == column }); i >= 0 {
		return cuts[i]
	}
	return Cut{}
}

const ellipsis = "…"

// shorten returns s, or where it takes more than n character cells, what fits of it with an ellipsis.
func shorten(s string, n int, middle bool) string {
	switch {
	case width(s) <= n:
		return s
	case n <= 0:
		return ""
	}
	tail := 0
	if middle {
		tail = (n - 1) / 2
	}
	return first(s, n-1-tail) + ellipsis + last(s, tail)
}

// first returns as much of the beginning of s as n character cells hold.
func first(s string, n int) string {
	for i, r := range s {
		if n -= runeWidth(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// last is first of the end of s. It does not begin with a mark of the character before.
func last(s string, n int) string {
	at := len(s)
	for at > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:at])
		if n -= runeWidth(r); n < 0 {
			break
		}
		at -= size
	}
	return strings.TrimLeftFunc(s[at:], func(r rune) bool { return runeWidth(r) == 0 })
}
