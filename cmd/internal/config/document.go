package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/bus"
)

// document writes settings as a YAML file, section by section.
type document struct {
	bytes.Buffer
	section []string                 // that the last line stands in
	above   func(k key) string       // comment before a key, of any number of lines; nil for none
	behind  func(path string) string // comment on the line of a value; nil for none
}

// WriteDefault writes a whole file: every key with its default and what it is. Loaded, it is Default.
func WriteDefault(w io.Writer, drivers []bus.Driver) error {
	d := &document{above: describe}
	d.WriteString("# Every setting of stompgw with its default. A file needs those alone that it changes.\n")
	d.keys(Default(drivers...).keys())
	_, err := w.Write(d.Bytes())
	return err
}

// WriteYAML writes every setting as it counts, a secret as REDACTED. With origin, each line tells where
// its value came from.
func (c *Config) WriteYAML(w io.Writer, origin bool) error {
	d := &document{}
	if origin {
		d.behind = c.source
	}
	d.keys(c.keys())
	_, err := w.Write(d.Bytes())
	return err
}

// source says where the value of a key, or of a field of an item, came from; of a secret its file too.
func (c *Config) source(path string) string {
	if strings.Contains(path, "[") {
		return c.origins.of(path)
	}
	return c.Origin(c.Named(path))
}

// describe is the comment on a key in a file of defaults.
func describe(k key) string {
	text := plainText(k.is)
	if k.isSecret() {
		text = fmt.Sprintf("%s: not in this file, but in %s of the environment, or in a file of its own", k.name(), variable(k.path))
	}
	if !k.isItems() {
		return text
	}
	text += "; each has"
	for _, f := range k.newItem() {
		needed := ""
		if f.required {
			needed = " (needed)"
		}
		text += "\n  " + f.path + needed + ": " + plainText(f.is)
	}
	return text
}

// plainText is a line of Markdown without its marks.
func plainText(s string) string { return strings.ReplaceAll(s, "`", "") }

func (d *document) keys(keys []key) {
	for _, k := range keys {
		name := d.enter(k.path)
		if d.above != nil {
			for line := range strings.SplitSeq(d.above(k), "\n") {
				fmt.Fprintf(d, "%s# %s\n", d.indent(), line)
			}
			if k.isSecret() {
				continue // it can't stand in a file
			}
		}
		d.entry(d.indent()+name+":", k.path, k)
	}
}

// enter writes the names of the sections that path is in and the last key was not, and returns its own.
func (d *document) enter(path string) (name string) {
	parts := strings.Split(path, ".")
	section, name := parts[:len(parts)-1], parts[len(parts)-1]
	same := 0
	for same < len(section) && same < len(d.section) && section[same] == d.section[same] {
		same++
	}
	if same == 0 && d.above != nil {
		d.WriteByte('\n')
	}
	for _, part := range section[same:] {
		d.section = append(d.section[:same:same], part)
		same++
		fmt.Fprintf(d, "%s%s:\n", strings.Repeat("  ", same-1), part)
	}
	d.section = section
	return name
}

func (d *document) indent() string { return strings.Repeat("  ", len(d.section)) }

// entry writes what k holds behind name.
func (d *document) entry(name, path string, k key) {
	if !k.isItems() {
		d.line(name, path, yamlText(k.shown()))
		return
	}
	items := k.items()
	if len(items) == 0 {
		d.line(name, path, "[]")
		return
	}
	d.line(name, path, "")
	for i, fields := range items {
		dash := "- "
		for _, f := range fields {
			d.entry(d.indent()+"  "+dash+f.path+":", fmt.Sprintf("%s[%d].%s", path, i, f.path), f)
			dash = "  "
		}
	}
}

// originColumn is where comments on lines begin that are shorter, in characters from 0.
const originColumn = 44

// line writes a key with the text of its value, which may have several lines.
func (d *document) line(name, path, text string) {
	first, rest, several := strings.Cut(text, "\n")
	line := name
	if first != "" {
		line += " " + first
	}
	if d.behind != nil {
		line += strings.Repeat(" ", max(1, originColumn-utf8.RuneCountInString(line))) + "# " + d.behind(path)
	}
	d.WriteString(line + "\n")
	if !several {
		return
	}
	indent := strings.Repeat(" ", len(name)-len(strings.TrimLeft(name, " -")))
	for part := range strings.SplitSeq(rest, "\n") {
		d.WriteString(strings.TrimRight(indent+part, " ") + "\n")
	}
}

// yamlText is how a value stands in a file, without a line end behind it: a list on one line, a text of
// several lines below | where it can.
func yamlText(value any) string {
	n := yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	switch value := value.(type) {
	case []string:
		for _, text := range value {
			n.Content = append(n.Content, textNode(text, false))
		}
	case string:
		n = *textNode(value, true)
	default:
		return fmt.Sprint(value) // a number or a bool
	}
	text, err := yaml.Marshal(&n)
	if err != nil {
		return fmt.Sprintf("%q", value) // it has no such nodes
	}
	return strings.TrimSuffix(string(text), "\n")
}

// textNode is a text that is quoted where it needs to be. block says that it may stand below |.
func textNode(text string, block bool) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch {
	case block && isBlock(text):
		n.Style = yaml.LiteralStyle
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// isBlock reports whether text has several lines that may stand below |. Of spaces and empty lines at
// its ends the encoder takes care.
func isBlock(text string) bool {
	return strings.Contains(text, "\n") && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' })
}
