package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// yamlList writes a list with what JSON would say.
type yamlList struct {
	w    io.Writer
	rows int
}

func (l *yamlList) row(r Row) error {
	node, err := yamlNode(r.Value)
	if err != nil {
		return err
	}
	l.rows++
	return writeYAML(l.w, &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{node}})
}

func (l *yamlList) flush() error { return nil }

func (l *yamlList) end() error {
	if l.rows > 0 {
		return nil
	}
	_, err := io.WriteString(l.w, "[]\n")
	return err
}

// writeYAML writes a document, or a part of a list, in which only printable characters stand.
func writeYAML(w io.Writer, node *yaml.Node) error {
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := enc.Encode(node); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	_, err := w.Write(escapeYAML(text.Bytes()))
	return err
}

// escapeYAML escapes what the encoder has left as it is. It can only stand between double quotes.
func escapeYAML(text []byte) []byte {
	safe := make([]byte, 0, len(text))
	for _, r := range string(text) {
		if unicode.IsPrint(r) || r == '\n' {
			safe = append(safe, string(r)...)
		} else {
			safe = fmt.Appendf(safe, `\U%08X`, r)
		}
	}
	return safe
}

// yamlNode returns what JSON makes of a value: the keys in its order, and times as text.
func yamlNode(value any) (*yaml.Node, error) {
	text, err := marshal(value)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return decodeNode(dec)
}

func decodeNode(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		kind := yaml.MappingNode
		if token == '[' {
			kind = yaml.SequenceNode
		}
		return decodeMembers(dec, kind)
	case string:
		return stringNode(token), nil
	case json.Number:
		return numberNode(token.String()), nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(token)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
}

// decodeMembers reads the keys and values of an object, or the elements of an array, to its end.
func decodeMembers(dec *json.Decoder, kind yaml.Kind) (*yaml.Node, error) {
	node := &yaml.Node{Kind: kind}
	for dec.More() {
		member, err := decodeNode(dec)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, member)
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle
	}
	_, err := dec.Token()
	return node, err
}

// stringNode is of the tag !!str, so that the encoder quotes what would look like something else. It
// does not know of what older readers take for numbers and truths.
func stringNode(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if oldNumber(text) || oldBool(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// oldNumber reports whether YAML 1.1 might read text as one of base 60, such as 1:30.
func oldNumber(text string) bool {
	return strings.Contains(text, ":") && strings.Trim(text, "+-0123456789_.:") == ""
}

func oldBool(text string) bool {
	switch strings.ToLower(text) {
	case "y", "yes", "on", "n", "no", "off":
		return true
	}
	return false
}

func numberNode(text string) *yaml.Node {
	tag := "!!int"
	if strings.ContainsAny(text, ".eE") {
		tag = "!!float"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}
