package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/stompgw/stompgw/bus"
)

// tree is what settings hold, as a file would say it.
func tree(keys []key) *yaml.Node {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range keys {
		section := root
		parts := strings.Split(k.path, ".")
		for _, part := range parts[:len(parts)-1] {
			last := len(section.Content) - 1
			if last < 0 || section.Content[last-1].Value != part {
				add(section, part, &yaml.Node{Kind: yaml.MappingNode})
				last += 2
			}
			section = section.Content[last]
		}
		add(section, k.name(), k.node())
	}
	return root
}

func add(section *yaml.Node, name string, value *yaml.Node) {
	section.Content = append(section.Content, textNode(name, false), value)
}

// node is what k holds: a list on one line, a text of several lines below | where it can.
func (k key) node() *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	if k.isItems() {
		for _, keys := range k.items() {
			list.Content = append(list.Content, tree(keys))
			list.Style = 0
		}
		return list
	}
	if k.holdsJSON() {
		return k.jsonNode()
	}
	switch value := k.shown().(type) {
	case []string:
		for _, text := range value {
			list.Content = append(list.Content, textNode(text, false))
		}
		return list
	case string:
		return textNode(value, true)
	default: // a number or a bool
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(value)}
	}
}

// textNode is a text that is quoted where it needs to be. block says that it may stand below |: of spaces and
// empty lines at its ends the encoder takes care.
func textNode(text string, block bool) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case block && strings.Contains(text, "\n") && !strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), hidden):
		n.Style = yaml.LiteralStyle
	case strings.ContainsFunc(text, hidden):
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// walk calls visit for all entries of a mapping, those below too, in order.
func walk(n *yaml.Node, path string, visit func(path string, key, value *yaml.Node)) {
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		full := join(path, key.Value)
		visit(full, key, value)
		switch {
		case isLeaf(value):
		case value.Kind == yaml.MappingNode:
			walk(value, full, visit)
		default:
			for j, item := range value.Content {
				walk(item, fmt.Sprintf("%s[%d]", full, j), visit)
			}
		}
	}
}

// isLeaf reports whether nothing below n has a path.
func isLeaf(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode || n.Style&yaml.FlowStyle != 0 }

// writeYAML writes what settings hold. edit is told each line that begins an entry, and may change it.
func writeYAML(w io.Writer, keys []key, edit func(path, line string, isSection bool) string) error {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(tree(keys)); err != nil {
		return err
	}
	var written yaml.Node // with the lines on which all stands
	if err := yaml.Unmarshal(b.Bytes(), &written); err != nil {
		return err
	}
	lines := strings.SplitAfter(b.String(), "\n")
	walk(written.Content[0], "", func(path string, key, value *yaml.Node) {
		lines[key.Line-1] = edit(path, lines[key.Line-1], value.Kind == yaml.MappingNode)
	})
	_, err := io.WriteString(w, strings.Join(lines, ""))
	return err
}

// WriteDefault writes a whole file: every key with its default and what it is. Loaded, it is Default.
func WriteDefault(w io.Writer, drivers []bus.Driver) error {
	if _, err := io.WriteString(w, "# Every setting of stompgw with its default. A file needs those alone that it changes.\n"); err != nil {
		return err
	}
	keys := Default(drivers...).keys()
	return writeYAML(w, keys, func(path, line string, _ bool) string {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if k, known := keyAt(keys, path); known {
			if k.isSecret() { // it can't stand in a file
				line = ""
			}
			line = indent + "# " + strings.ReplaceAll(k.describe(), "\n", "\n"+indent+"# ") + "\n" + line
		}
		if indent == "" {
			line = "\n" + line
		}
		return line
	})
}

// describe is the comment on a key in a file of defaults, of one line or more.
func (k key) describe() string {
	text := plainText(k.is())
	switch {
	case k.isSecret():
		return fmt.Sprintf("%s: not in this file, but in %s of the environment, or in a file of its own", k.name(), variable(k.path))
	case !k.isItems():
		return text
	}
	text += "; each has"
	for _, f := range k.newItem() {
		needed := ""
		if f.isRequired() {
			needed = " (needed)"
		}
		text += "\n  " + f.path + needed + ": " + plainText(f.is())
	}
	return text
}

// plainText is a line of Markdown without its marks.
func plainText(s string) string { return strings.ReplaceAll(s, "`", "") }

// originColumn is where comments on lines begin that are shorter, in characters from 0.
const originColumn = 44

// WriteYAML writes every setting as it counts, a secret as REDACTED. With origin, each line tells where
// its value came from.
func (c *Config) WriteYAML(w io.Writer, origin bool) error {
	return writeYAML(w, c.keys(), func(path, line string, isSection bool) string {
		if !origin || isSection {
			return line
		}
		text := strings.TrimSuffix(line, "\n")
		return text + strings.Repeat(" ", max(1, originColumn-utf8.RuneCountInString(text))) + "# " + c.source(path) + "\n"
	})
}

// source says where the value of a key, or of a field of an item, came from; of a secret its file too.
func (c *Config) source(path string) string {
	if strings.Contains(path, "[") {
		return c.origins.of(path)
	}
	return c.Origin(c.Named(path))
}

// WriteJSON writes every setting as it counts, a secret as REDACTED: an object like the file. With origin
// it is a list of the keys, each with its value and where that came from.
func (c *Config) WriteJSON(w io.Writer, origin bool) error {
	all := tree(c.keys())
	list := &yaml.Node{Kind: yaml.SequenceNode}
	walk(all, "", func(path string, _, value *yaml.Node) {
		if !isLeaf(value) {
			return
		}
		entry := &yaml.Node{Kind: yaml.MappingNode}
		add(entry, "key", textNode(path, false))
		add(entry, "value", value)
		add(entry, "origin", textNode(c.source(path), false))
		list.Content = append(list.Content, entry)
	})
	if origin {
		all = list
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // conditions are full of & and <
	enc.SetIndent("", "  ")
	return enc.Encode((*inJSON)(all))
}

// inJSON is a tree whose form in JSON keeps the order of what is in it.
type inJSON yaml.Node

// MarshalJSON implements json.Marshaler.
func (n *inJSON) MarshalJSON() (_ []byte, err error) {
	w := jsonLines{left: math.MaxInt, deepest: math.MaxInt, most: math.MaxInt, bare: true}
	w.fault = func(_ *yaml.Node, format string, args ...any) { err = fmt.Errorf(format, args...) }
	w.value((*yaml.Node)(n), 0)
	return w.out, err
}
