package api

import (
	"encoding/json"
	"errors"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stompgw/stompgw/gateway/registry"
)

// Member is a member's id: the JSON of an integer, or of a text that is not empty. In JSON it is that value, in a path or
// query its text. Its zero value is none.
type Member string

var errMember = errors.New(`want a member as JSON: 7 is the number, "7" the text, in a path %227%22`)

// UnmarshalJSON implements json.Unmarshaler.
func (m *Member) UnmarshalJSON(text []byte) error { return m.UnmarshalText(text) }

// UnmarshalText implements encoding.TextUnmarshaler, for paths and queries.
func (m *Member) UnmarshalText(text []byte) error {
	id, err := registry.CanonicalMember(string(text))
	if err != nil {
		return errMember
	}
	*m = Member(id)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (m Member) MarshalJSON() ([]byte, error) { return json.RawMessage(m).MarshalJSON() }

// Schema implements huma.SchemaProvider.
func (m Member) Schema(huma.Registry) *huma.Schema {
	one := 1
	return &huma.Schema{
		Description: "a member: an integer or a text",
		OneOf:       []*huma.Schema{{Type: huma.TypeInteger, Format: "int64"}, {Type: huma.TypeString, MinLength: &one}},
	}
}
