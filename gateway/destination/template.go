package destination

import "fmt"

// Template is a destination with placeholders for the variables of a Matcher.
type Template struct {
	segments []segment // each literal, or a variable of the Matcher
}

// Template reads a destination that may use the variables of m.
func (m *Matcher) Template(s string) (Template, error) {
	target, err := NewMatcher(s)
	if err != nil {
		return Template{}, err
	}
	for i := range target.segments {
		seg := &target.segments[i]
		if seg.kind == literal {
			continue
		}
		if seg.variable == unnamed {
			return Template{}, fmt.Errorf("%q: the wildcards * and ? can't be used here; a variable of match, such as {room}, can", seg.text)
		}
		name := target.variables[seg.variable]
		n := m.Index(name)
		if n < 0 {
			return Template{}, fmt.Errorf("match has no variable {%s}", name)
		}
		seg.variable = int8(n)
	}
	return Template{target.segments}, nil
}

// Expand returns the destination with the variables replaced by what they are bound to.
func (t Template) Expand(b *Bindings) string {
	dst := make([]byte, 0, 128) // on the stack
	for i := range t.segments {
		dst = append(dst, '/')
		if n := t.segments[i].variable; n == unnamed {
			dst = append(dst, t.segments[i].text...)
		} else {
			dst = append(dst, b[n]...)
		}
	}
	return string(dst)
}
