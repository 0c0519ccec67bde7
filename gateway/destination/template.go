package destination

import "fmt"

// Template is a destination with places for what the variables of a Matcher are bound to.
type Template struct {
	parts []templatePart
}

type templatePart struct {
	literal string
	binding int // when literal is empty
}

// Template reads a destination in which the variables of m may stand.
func (m *Matcher) Template(s string) (Template, error) {
	target, err := NewMatcher(s)
	if err != nil {
		return Template{}, err
	}
	var t Template
	for _, seg := range target.segments {
		part, err := m.part(target, seg)
		if err != nil {
			return Template{}, err
		}
		t.parts = append(t.parts, part)
	}
	return t, nil
}

// part makes the part of a Template that a segment of target is.
func (m *Matcher) part(target Matcher, seg segment) (templatePart, error) {
	switch {
	case seg.kind == literal:
		return templatePart{literal: seg.text}, nil
	case seg.variable == unnamed:
		return templatePart{}, fmt.Errorf("%q: the wildcards * and ? can't be used here; a variable of match, such as {room}, can", seg.text)
	}
	name := target.variables[seg.variable]
	n := m.Index(name)
	if n < 0 {
		return templatePart{}, fmt.Errorf("match has no variable {%s}", name)
	}
	return templatePart{binding: n}, nil
}

// Expand returns the destination in which the variables are what they are bound to.
func (t Template) Expand(b *Bindings) string {
	dst := make([]byte, 0, 128) // on the stack
	for _, part := range t.parts {
		dst = append(dst, '/')
		if part.literal != "" {
			dst = append(dst, part.literal...)
		} else {
			dst = append(dst, b[part.binding]...)
		}
	}
	return string(dst)
}
