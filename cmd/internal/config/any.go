package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Any is whatever YAML can say, as JSON: a value whose form is not ours, such as the claims of a token. Keys keep their order.
type Any json.RawMessage

// UnmarshalText takes the JSON.
func (a *Any) UnmarshalText(text []byte) error {
	*a = bytes.Clone(text)
	return nil
}

// Bounds of an Any. A few anchors can stand for a text of any size, or for one that has no end.
const (
	maxAny     = MiB // of JSON
	maxAnyDeep = 32  // lists and sections in each other
)

// isAny reports whether k takes whatever YAML can say.
func (k key) isAny() bool {
	_, is := k.target.(*Any)
	return is
}

// any returns what n says as JSON, empty for a mistake.
func (f *file) any(n *yaml.Node, path string) string {
	if n.Tag == "!!null" {
		f.fault(n, path, "has no value: write one, or leave it out")
		return ""
	}
	w := anyWriter{file: f, path: path}
	before := len(f.errs)
	if w.write(n, 0); len(f.errs) > before {
		return ""
	}
	return w.out.String()
}

// anyWriter writes JSON. Its mistakes go to the file.
type anyWriter struct {
	file *file
	path string
	out  bytes.Buffer
}

// write writes n, and reports whether it could.
func (w *anyWriter) write(n *yaml.Node, deep int) bool {
	n = aimed(n)
	switch {
	case deep > maxAnyDeep:
		return w.fault(n, "has more than %d lists and sections in each other", maxAnyDeep)
	case w.out.Len() > int(maxAny):
		return w.fault(n, "is larger than %s", maxAny)
	case n.Kind == yaml.MappingNode:
		return w.object(n, deep)
	case n.Kind == yaml.SequenceNode:
		return w.list(n, deep)
	}
	return w.scalar(n)
}

func (w *anyWriter) object(n *yaml.Node, deep int) bool {
	w.out.WriteByte('{')
	said := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		name := aimed(n.Content[i])
		switch {
		case name.Tag == "!!merge":
			return w.fault(name, "has a merge key (<<), which is not understood here: write the keys out")
		case name.Kind != yaml.ScalarNode:
			return w.fault(name, "has %s for a key: want a text", kind(name))
		case said[name.Value]:
			return w.fault(name, "has %s twice: leave one", name.Value)
		}
		said[name.Value] = true
		w.comma(i > 0)
		w.text(name.Value)
		w.out.WriteByte(':')
		if !w.write(n.Content[i+1], deep+1) {
			return false
		}
	}
	w.out.WriteByte('}')
	return true
}

func (w *anyWriter) list(n *yaml.Node, deep int) bool {
	w.out.WriteByte('[')
	for i, item := range n.Content {
		w.comma(i > 0)
		if !w.write(item, deep+1) {
			return false
		}
	}
	w.out.WriteByte(']')
	return true
}

// scalar writes a text, a number, true, false or null. What is a number to YAML alone, such as 0x1F, is none.
func (w *anyWriter) scalar(n *yaml.Node) bool {
	switch n.Tag {
	case "!!str", "!!timestamp":
		w.text(n.Value)
		return true
	case "!!null":
		w.out.WriteString("null")
		return true
	case "!!int", "!!float", "!!bool":
		if !json.Valid([]byte(n.Value)) {
			return w.fault(n, "has %s, which JSON writes otherwise: write it so, or put a text in quotes", n.Value)
		}
		w.out.WriteString(n.Value)
		return true
	}
	return w.fault(n, "has a value that begins with !, which YAML takes for the name of a type: put it in quotes")
}

func (w *anyWriter) comma(needed bool) {
	if needed {
		w.out.WriteByte(',')
	}
}

func (w *anyWriter) text(s string) {
	enc := json.NewEncoder(&w.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(fmt.Sprintf("a text without JSON: %v", err)) // there is none
	}
	w.out.Truncate(w.out.Len() - 1) // the line end behind it
}

func (w *anyWriter) fault(n *yaml.Node, format string, args ...any) bool {
	w.file.fault(n, w.path, "%s", strings.TrimSpace(fmt.Sprintf(format, args...)))
	return false
}
