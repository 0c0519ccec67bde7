package policy

import (
	"errors"
	"fmt"
	"strings"
)

// pattern matches destinations segment by segment.
type pattern struct {
	segments []segment
}

// segment is a literal, or a variable that stands for one segment.
type segment struct {
	literal  string
	variable string // its name; empty for a literal
}

// maxVariables bounds what one pattern may bind.
const maxVariables = 8

func parsePattern(s, path string) (p pattern, err error) {
	if s == "" || s[0] != '/' {
		return p, &RuleError{Path: path, Reason: fmt.Sprintf("%q does not begin with a slash", s)}
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s[1:], "/") {
		seg, err := parseSegment(part)
		if err == nil && seen[seg.variable] {
			err = fmt.Errorf("the variable {%s} stands twice", seg.variable)
		}
		if err != nil {
			return p, &RuleError{Path: path, Reason: err.Error()}
		}
		if seg.variable != "" {
			seen[seg.variable] = true
		}
		p.segments = append(p.segments, seg)
	}
	if len(seen) > maxVariables {
		return p, &RuleError{Path: path, Reason: fmt.Sprintf("%d variables are more than the %d that a rule may have", len(seen), maxVariables)}
	}
	return p, nil
}

func parseSegment(part string) (segment, error) {
	name, isVariable := strings.CutPrefix(part, "{")
	if isVariable {
		name, isVariable = strings.CutSuffix(name, "}")
	}
	switch {
	case isVariable && name != "" && !strings.ContainsAny(name, "{}*?"):
		return segment{variable: name}, nil
	case strings.ContainsAny(part, "{}"):
		return segment{}, fmt.Errorf("%q: a variable is a whole segment in braces, such as {room}", part)
	case IsPattern(part):
		return segment{}, fmt.Errorf("%q: the wildcards * and ? can't be used here; a variable such as {room} matches any one segment", part)
	case part == "":
		return segment{}, errors.New("an empty segment: write the slashes singly and none at the end")
	}
	return segment{literal: part}, nil
}

// IsPattern reports whether a destination holds a character that would make a subscription to it
// one by pattern.
func IsPattern(destination string) bool { return strings.ContainsAny(destination, "*?{}") }

// bindings are the segments that a pattern's variables stand for, in the pattern's order.
type bindings [maxVariables]string

// match reports whether p matches, and what its variables are bound to.
func (p pattern) match(destination string) (b bindings, ok bool) {
	rest, ok := strings.CutPrefix(destination, "/")
	if !ok {
		return b, false
	}
	bound := 0
	for i, seg := range p.segments {
		part, tail, more := strings.Cut(rest, "/")
		if more != (i < len(p.segments)-1) {
			return b, false
		}
		if seg.variable == "" {
			if part != seg.literal {
				return b, false
			}
		} else {
			if part == "" || IsPattern(part) {
				return b, false
			}
			b[bound] = part
			bound++
		}
		rest = tail
	}
	return b, true
}

// index returns the place of a variable among the bindings, -1 if p has none of that name.
func (p pattern) index(variable string) int {
	n := 0
	for _, seg := range p.segments {
		if seg.variable == variable {
			return n
		}
		if seg.variable != "" {
			n++
		}
	}
	return -1
}

// template is a destination with places for bindings.
type template []templatePart

type templatePart struct {
	literal string
	binding int // when literal is empty
}

func parseTemplate(s string, p pattern, path string) (t template, err error) {
	target, err := parsePattern(s, path)
	if err != nil {
		return nil, err
	}
	for _, seg := range target.segments {
		if seg.variable == "" {
			t = append(t, templatePart{literal: seg.literal})
			continue
		}
		n := p.index(seg.variable)
		if n < 0 {
			return nil, &RuleError{Path: path, Reason: fmt.Sprintf("match has no variable {%s}", seg.variable)}
		}
		t = append(t, templatePart{binding: n})
	}
	return t, nil
}

// size is how long the expansion of t is.
func (t template) size(b bindings) int {
	n := 0
	for _, part := range t {
		n += len("/") + len(part.literal)
		if part.literal == "" {
			n += len(b[part.binding])
		}
	}
	return n
}

func (t template) expand(b bindings) string {
	var dst strings.Builder
	dst.Grow(t.size(b))
	for _, part := range t {
		dst.WriteByte('/')
		if part.literal != "" {
			dst.WriteString(part.literal)
		} else {
			dst.WriteString(b[part.binding])
		}
	}
	return dst.String()
}
