package destination

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxVariables bounds what one Matcher may bind.
const maxVariables = 8

// Bindings are the segments that the variables of a Matcher stand for, in its order. An empty one is
// unknown: the variable stands for a wildcard in a client's pattern.
type Bindings [maxVariables]string

// Matcher matches the destinations that a rule is about. The zero Matcher matches none.
type Matcher struct {
	segments  []segment
	variables []string // their names
}

// NewMatcher reads a rule's match, such as "/topic/{room}/*".
func NewMatcher(s string) (m Matcher, err error) {
	rest, ok := strings.CutPrefix(s, "/")
	switch {
	case !ok:
		return Matcher{}, fmt.Errorf("%q does not begin with a slash", s)
	case !utf8.ValidString(s):
		return Matcher{}, fmt.Errorf("%q is not UTF-8 text", s)
	}
	for part := range strings.SplitSeq(rest, "/") {
		if err := m.add(part); err != nil {
			return Matcher{}, err
		}
	}
	if n := len(m.variables); n > maxVariables {
		return Matcher{}, fmt.Errorf("%d variables are more than the %d that a rule may have", n, maxVariables)
	}
	return m, nil
}

func (m *Matcher) add(part string) error {
	name, isVariable, err := variable(part)
	switch {
	case err != nil:
		return err
	case part == "":
		return errEmpty
	case !isVariable:
		m.segments = append(m.segments, newSegment(part))
		return nil
	case m.Index(name) >= 0:
		return fmt.Errorf("the variable {%s} stands twice", name)
	}
	m.segments = append(m.segments, segment{kind: one, text: part, variable: int8(len(m.variables))})
	m.variables = append(m.variables, name)
	return nil
}

// variable returns the name of a variable that part is.
func variable(part string) (name string, ok bool, err error) {
	if !strings.ContainsAny(part, "{}") {
		return "", false, nil
	}
	name, begins := strings.CutPrefix(part, "{")
	name, ends := strings.CutSuffix(name, "}")
	if !begins || !ends || name == "" || IsPattern(name) {
		return "", false, fmt.Errorf("%q: a variable is a whole segment in braces, such as {room}", part)
	}
	return name, true, nil
}

// Match reports whether m matches a destination, and what its variables are bound to. It allocates
// nothing. A pattern is not a destination, and never matches.
func (m *Matcher) Match(destination string) (b Bindings, ok bool) {
	ok = len(m.segments) > 0 && match(m.segments, destination, false, &b)
	return b, ok
}

// Covers reports whether m matches every destination that p does, as far as that can be seen segment by
// segment: only ** covers **. Variables that cover a segment without a wildcard are bound.
func (m *Matcher) Covers(p Pattern) (b Bindings, ok bool) {
	ok = len(m.segments) > 0 && match(m.segments, p.text, true, &b)
	return b, ok
}

// Includes reports whether m matches every destination that other does, as far as that can be seen
// segment by segment.
func (m *Matcher) Includes(other *Matcher) bool {
	_, ok := m.Covers(Pattern{text: other.Pattern()})
	return ok
}

// Pattern is m as a client would write it, with * for each variable.
func (m *Matcher) Pattern() string {
	var pattern strings.Builder
	for _, seg := range m.segments {
		if seg.kind == one {
			seg.text = "*" // or a variable
		}
		pattern.WriteString("/" + seg.text)
	}
	return pattern.String()
}

// Begin returns the segments that every destination that m matches begins with: "/topic" for
// "/topic/{room}/a", and "" if a variable or a wildcard comes first.
func (m *Matcher) Begin() string {
	var begin strings.Builder
	for i := range m.segments {
		if m.segments[i].kind != literal {
			break
		}
		begin.WriteString("/" + m.segments[i].text)
	}
	return begin.String()
}

// Reaches reports whether m matches prefix, which is a destination, or anything below it.
func (m *Matcher) Reaches(prefix string) bool {
	below, err := NewMatcher(prefix + "/**")
	return err == nil && m.Meets(&below)
}

// Meets reports whether there is a destination that both match, as far as that can be seen segment by segment: two
// segments with wildcards in them are assumed to meet.
func (m *Matcher) Meets(other *Matcher) bool {
	a, b := m.segments, other.segments
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	for len(a) > 0 && len(b) > 0 && a[0].kind != many && b[0].kind != many {
		if !a[0].meets(&b[0]) {
			return false
		}
		a, b = a[1:], b[1:]
	}
	return meet(a, b)
}

// VariableAt returns the index in the Bindings of the variable that stands for segment n, counted from 0; -1 if none
// does.
func (m *Matcher) VariableAt(n int) int {
	if n >= len(m.segments) {
		return unnamed
	}
	return int(m.segments[n].variable)
}

// Index returns the index of a variable in the Bindings, -1 if m has none of that name.
func (m *Matcher) Index(variable string) int { return slices.Index(m.variables, variable) }

// Variables returns the variables that are bound, by name, with what they are bound to.
func (m *Matcher) Variables(b *Bindings) map[string]string {
	vars := make(map[string]string, len(m.variables))
	for i, name := range m.variables {
		if b[i] != "" {
			vars[name] = b[i]
		}
	}
	return vars
}
