package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"
)

// texts is the formats but tables for a terminal: a text for each row, and what stands around them.
type texts struct {
	w                      io.Writer
	text                   func(Row) ([]byte, error)
	before, between, after string // of all rows
	none                   string // without any
	rows                   int
}

func newTexts(w io.Writer, format string, o Options) *texts {
	switch format {
	case Table, Wide:
		columns, names := o.columns(format), ""
		if o.Headers {
			names = tabbed(columns)
		}
		return &texts{w: w, text: func(r Row) ([]byte, error) { return []byte(tabbed(printable(r, len(columns)))), nil }, before: names, none: names}
	case JSON:
		return &texts{w: w, text: jsonOf, before: "[\n", between: ",\n", after: "\n]\n", none: "[]\n"}
	case YAML:
		return &texts{w: w, text: func(r Row) ([]byte, error) { return yamlOf(Row{Value: []any{r.Value}}) }, none: "[]\n"}
	}
	return &texts{w: w, text: textOf(format)}
}

// textOf returns what makes a text of one row alone.
func textOf(format string) func(Row) ([]byte, error) {
	switch format {
	case YAML:
		return yamlOf
	case Names:
		return func(r Row) ([]byte, error) { return []byte(Printable(r.Name) + "\n"), nil }
	}
	return func(r Row) ([]byte, error) {
		text, err := jsonOf(r)
		return append(text, '\n'), err
	}
}

func tabbed(texts []string) string { return strings.Join(texts, "\t") + "\n" }

func (t *texts) row(r Row) error {
	text, err := t.text(r)
	if err != nil {
		return err
	}
	around := t.between
	if t.rows == 0 {
		around = t.before
	}
	t.rows++
	fmt.Fprintf(t.w, "%s%s", around, text)
	return nil
}

func (t *texts) flush() {}

func (t *texts) end() {
	around := t.after
	if t.rows == 0 {
		around = t.none
	}
	io.WriteString(t.w, around)
}

// jsonOf returns JSON on one line, which is safe to show.
func jsonOf(r Row) ([]byte, error) {
	text, err := json.Marshal(r.Value)
	return EscapeJSON(text), err
}

// EscapeJSON escapes what is not printable in JSON, but for line ends; that can only stand in its strings.
func EscapeJSON(text []byte) []byte {
	return escape(text, func(safe []byte, r rune) []byte {
		for _, unit := range utf16.AppendRune(nil, r) {
			safe = fmt.Appendf(safe, `\u%04x`, unit)
		}
		return safe
	})
}

// yamlOf returns YAML with the keys of JSON, in its order, and its values. Texts are in quotes, which keeps
// readers of YAML 1.1 from taking some for truths, times or numbers.
func yamlOf(r Row) ([]byte, error) {
	text, err := json.Marshal(r.Value)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(escape(text, escapeYAML), &document); err != nil { // JSON is YAML
		return nil, err
	}
	unfold(&document)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err = errors.Join(e.Encode(&document), e.Close())
	return escape(b.Bytes(), escapeYAML), err // the encoder leaves some as they are
}

// unfold puts keys and elements on lines of their own, and keys out of quotes.
func unfold(n *yaml.Node) {
	if len(n.Content) > 0 {
		n.Style = 0
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			c.Style = 0
		}
		unfold(c)
	}
}

func escapeYAML(safe []byte, r rune) []byte { return fmt.Appendf(safe, `\U%08X`, r) }

// escape puts something else in the place of what is neither printable nor a line end.
func escape(text []byte, other func(safe []byte, r rune) []byte) []byte {
	safe := make([]byte, 0, len(text))
	for _, r := range string(text) {
		if unicode.IsPrint(r) || r == '\n' {
			safe = append(safe, string(r)...)
		} else {
			safe = other(safe, r)
		}
	}
	return safe
}
