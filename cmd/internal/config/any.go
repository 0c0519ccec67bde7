package config

import (
	"bytes"
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

// Any is whatever YAML can say, as JSON: a value whose form is not ours, such as the claims of a token. Keys keep their order.
type Any json.RawMessage

// UnmarshalText takes the JSON.
func (a *Any) UnmarshalText(text []byte) error {
	*a = bytes.Clone(text)
	return nil
}

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
	text, _ := f.asJSON(n, path, n.Line)
	return oneLine(text)
}
