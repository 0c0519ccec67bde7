package destination

import (
	"strings"
	"unicode/utf8"
)

// segment is what stands between two slashes of a pattern.
type segment struct {
	kind     kind
	text     string // as it was written
	variable int8   // its place among the bindings, or unnamed
}

type kind uint8

const (
	literal kind = iota
	glob         // with * or ? in it
	one          // a segment of any text: * or {name}
	many         // any number of segments: **
)

// unnamed is the place of a segment that is no variable.
const unnamed = -1

// newSegment reads a segment that is no variable.
func newSegment(text string) segment {
	return segment{kind: kindOf(text), text: text, variable: unnamed}
}

func kindOf(text string) kind {
	switch {
	case text == "**":
		return many
	case text == "*":
		return one
	case strings.ContainsAny(text, "*?"):
		return glob
	}
	return literal
}

// matches reports whether s stands for one segment of a destination.
func (s *segment) matches(part string) bool {
	switch {
	case s.kind == literal:
		return part == s.text
	case part == "" || IsPattern(part):
		return false
	case s.kind == glob:
		return matchGlob(s.text, part)
	}
	return true
}

// covers reports whether s stands for all that one segment of a client's pattern stands for. **
// stands for any number of them, so ** alone covers it.
func (s *segment) covers(part string) bool {
	switch k := kindOf(part); {
	case k == literal:
		return s.matches(part)
	case k == many:
		return s.kind == many
	case s.kind == glob:
		return s.text == part
	}
	return s.kind != literal
}

// meets reports whether there may be a text that both stand for. None is **.
func (s *segment) meets(other *segment) bool {
	switch {
	case other.kind == literal:
		return s.matches(other.text)
	case s.kind == literal:
		return other.matches(s.text)
	}
	return true
}

// meet reports whether there may be a path that both stand for. The time is the product of the lengths.
func meet(a, b []segment) bool {
	if len(a) == 0 && len(b) == 0 {
		return true
	}
	next := make([]bool, len(b)+1) // whether what is behind a segment of a meets what is from each of b on
	for i := len(a); i >= 0; i-- {
		row := make([]bool, len(b)+1)
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				row[j] = true
			case i < len(a) && a[i].kind == many:
				row[j] = next[j] || j < len(b) && row[j+1]
			case j < len(b) && b[j].kind == many:
				row[j] = row[j+1] || i < len(a) && next[j]
			case i < len(a) && j < len(b):
				row[j] = next[j+1] && a[i].meets(&b[j])
			}
		}
		next = row
	}
	return next[0]
}

// match goes through the segments of a destination or, when it asks what is covered, of a client's
// pattern. After a mismatch the last ** takes one segment more, so the time is the product of the
// lengths at most.
func match(segments []segment, path string, covering bool, b *Bindings) bool {
	takes := (*segment).matches
	if covering {
		takes = (*segment).covers
	}
	rest, more := strings.CutPrefix(path, "/")
	if !more {
		return false
	}
	last, again, left := -1, "", false // the last **, and the path behind what it has taken
	for i := 0; ; {
		switch {
		case i == len(segments) && !more:
			return true
		case i < len(segments) && segments[i].kind == many:
			last, again, left = i, rest, more
			i++
			continue
		case i < len(segments) && more:
			part, tail, next := strings.Cut(rest, "/")
			if takes(&segments[i], part) {
				b.bind(&segments[i], part)
				i, rest, more = i+1, tail, next
				continue
			}
		}
		if last < 0 || !left {
			return false
		}
		var part string
		if part, again, left = strings.Cut(again, "/"); !takes(&segments[last], part) {
			return false
		}
		i, rest, more = last+1, again, left
	}
}

// bind notes what a variable stands for, which is never a wildcard.
func (b *Bindings) bind(s *segment, part string) {
	if s.variable == unnamed {
		return
	}
	if IsPattern(part) {
		part = ""
	}
	b[s.variable] = part
}

// matchGlob matches a text of one segment. After a mismatch the last star takes one character more,
// so the time is the product of the lengths at most.
func matchGlob(pattern, text string) bool {
	star, again := -1, 0 // the last star, and the text behind what it has taken
	p, t := 0, 0
	for t < len(text) {
		if p < len(pattern) && pattern[p] == '*' {
			star, again = p, t
			p++
			continue
		}
		_, size := utf8.DecodeRuneInString(text[t:])
		switch {
		case p < len(pattern) && pattern[p] == '?':
			p, t = p+1, t+size
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			_, size = utf8.DecodeRuneInString(text[again:])
			again += size
			p, t = star+1, again
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
