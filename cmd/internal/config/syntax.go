package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/bus/settings"
)

// lineEnd is where YAML sees a line end (YAML 1.1, "Line Break Characters").
var lineEnd = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// checkText finds what makes a file no text, and says on which line.
func (f *file) checkText(text []byte) error {
	if settings.HasByteOrderMark(text) || bytes.IndexByte(text, 0) >= 0 {
		return &Error{f.name, "", "is no UTF-8 text: an editor can save it as UTF-8"}
	}
	for i, line := range f.lines {
		where := fmt.Sprintf("%s:%d", f.name, i+1)
		if !utf8.ValidString(line) {
			return &Error{where, "", "is no UTF-8 text: an editor can save it as UTF-8"}
		}
		if at := strings.IndexFunc(line, isForbidden); at >= 0 {
			r, _ := utf8.DecodeRuneInString(line[at:])
			return &Error{where, "", fmt.Sprintf("holds the character %U, which nobody sees and YAML refuses: delete it", r)}
		}
	}
	return nil
}

// isForbidden reports whether YAML lets a character stand in quotes as \x alone.
func isForbidden(r rune) bool {
	return r < ' ' && r != '\t' || r >= 0x7f && r <= 0x9f || r >= 0xfffe && r <= 0xffff || r == 0xfeff
}

// syntaxHint is what the YAML library says of a mistake, and what to do about it.
type syntaxHint struct {
	says  string
	late  int // how many lines the mistake is behind the one that is named
	write string
}

// cannotStart is said of tabs, too.
const cannotStart = "found character that cannot start any token"

func syntaxHints() []syntaxHint {
	return []syntaxHint{
		{"mapping values are not allowed in this context", 0, "put a value in quotes that has a colon and a space in it, and see that the line before has a colon"},
		{"could not find expected ':'", 0, "write key: value, here or on the line before"},
		{"did not find expected key", 1, "in the section that begins there, a line is indented otherwise than those beside it, or is no key: value"},
		{"did not find expected '-' indicator", 1, "in the list that begins there, a line is indented otherwise than those beside it, or has no dash"},
		{"did not find expected ',' or ']'", 1, "put a comma between the items, or close the list"},
		{"did not find expected ',' or '}'", 1, "put a comma between the entries, or close the brace"},
		{"did not find expected node content", 1, "write a value, or leave the key out"},
		{cannotStart, 0, "put a value in quotes that begins with @, ` or %"},
		{"did not find expected alphabetic or numeric character", 0, "put a value in quotes that begins with * or &"},
		{"found unexpected end of stream", 0, "a quote is opened and not closed, perhaps lines before"},
		{"found unexpected document indicator", 0, "a quote is opened and not closed, perhaps lines before"},
		{"found unknown escape character", 0, "put a text with a backslash in single quotes"},
		{"found undefined tag handle", 1, "put a value in quotes that begins with !"},
	}
}

// syntaxError makes "file:line: reason; what to write" of the library's "yaml: line 3: reason". The library
// leaves the line out where it is the first.
func (f *file) syntaxError(err error) error {
	reason, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if rest, ok := strings.CutPrefix(reason, "line "); ok {
		number, tail, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			line, reason = n, tail
		}
	}
	hints := syntaxHints()
	name, isAnchor := strings.CutPrefix(reason, "unknown anchor '")
	switch i := slices.IndexFunc(hints, func(h syntaxHint) bool { return reason == h.says }); {
	case isAnchor:
		name = strings.TrimSuffix(name, "' referenced")
		line = 1 + slices.IndexFunc(f.lines, func(line string) bool { return strings.Contains(line, "*"+name) })
		reason = "*" + name + " stands for nothing: put a value in quotes that begins with *"
	case strings.Contains(reason, "a tab character"), reason == cannotStart && f.isTabbed(line):
		if !f.isTabbed(line) {
			line = min(line+1, len(f.lines))
		}
		reason = "a tab stands before the text: YAML takes spaces alone"
	case i >= 0:
		line, reason = min(line+hints[i].late, len(f.lines)), reason+": "+hints[i].write
	}
	return &Error{fmt.Sprintf("%s:%d", f.name, line), "", "is not YAML: " + reason}
}

// isTabbed reports whether a tab is among the blanks that a line, counted from 1, begins with.
func (f *file) isTabbed(line int) bool {
	if line < 1 || line > len(f.lines) {
		return false
	}
	text := f.lines[line-1]
	return strings.Contains(text[:len(text)-len(strings.TrimLeft(text, " \t"))], "\t")
}

// severalDocuments is the mistake of a file in which a document follows the first.
func (f *file) severalDocuments(next *yaml.Node, err error) error {
	if err != nil {
		return f.syntaxError(err)
	}
	return &Error{f.at(next), "", "begins a second YAML document: keep one, without --- lines between"}
}
