package config

import (
	"fmt"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/gateway/policy"
)

// scalar is a text that stands in the file, perhaps over several lines.
type scalar struct {
	file   string
	line   int      // that on which the text begins, from 1
	column int      // in characters, from 1
	raw    []string // what the file has from that line on
	style  yaml.Style
	value  string // what YAML makes of it
}

// note keeps the scalar of a path.
func (f *file) note(path string, n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	s := scalar{f.name, n.Line, n.Column, f.lines[n.Line-1:], n.Style, n.Value}
	switch {
	case s.style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0: // it begins below | or >
		s.raw, s.line, s.column = s.raw[1:], s.line+1, 1
	case s.style&yaml.DoubleQuotedStyle != 0:
		s.column++
	}
	if f.scalars == nil {
		f.scalars = map[string]scalar{}
	}
	f.scalars[path] = s
}

// fault makes the error of a mistake in the expression that s is: its line in the file and, below
// the reason, the place in that line.
func (s scalar) fault(e *policy.RuleError) *Error {
	row, column := s.place(e.Line, e.Column)
	shown := *e
	if s.isJoined() {
		text := strings.TrimLeftFunc(s.raw[row], unicode.IsSpace)
		shown.Source = strings.TrimRightFunc(text, unicode.IsSpace)
		shown.Column = column - len([]rune(s.raw[row])) + len([]rune(text))
	}
	const indent = "\n    "
	return &Error{fmt.Sprintf("%s:%d", s.file, s.line+row), e.Path, e.Reason + indent + shown.Source + indent + shown.Caret()}
}

// isJoined reports whether YAML has made one line of several, as it does of all that are not below |.
func (s scalar) isJoined() bool {
	end := strings.Split(s.value, "\n")
	row, _ := s.place(len(end), len([]rune(end[len(end)-1]))+1)
	return row > 0 && s.style&yaml.LiteralStyle == 0
}

// place finds in the file what has that line and column, from 1, in the value: the index of its
// line in raw, and its column there. What is behind all the rest is behind the last character.
func (s scalar) place(line, column int) (row, col int) {
	lines := strings.Split(s.value, "\n")
	before := strings.Join(lines[:line-1], "") + string([]rune(lines[line-1])[:column-1])
	skip, behind := lasting(before), 0
	if all := lasting(s.value); all == 0 {
		return 0, 1
	} else if skip == all {
		skip, behind = all-1, 1
	}
	for row, text := range s.raw {
		for i, r := range []rune(text) {
			if row == 0 && i < s.column-1 || !lasts(r) {
				continue
			}
			if skip == 0 {
				return row, i + 1 + behind
			}
			skip--
		}
	}
	return 0, 1
}

// lasting counts the characters of a text that are the same in the file and in what YAML makes of it.
func lasting(text string) (n int) {
	for _, r := range text {
		if lasts(r) {
			n++
		}
	}
	return n
}

// lasts reports whether YAML neither adds nor drops r: it does so with blanks, and in quotes with
// the characters that escape others.
func lasts(r rune) bool { return !unicode.IsSpace(r) && r != '\\' && r != '\'' }
