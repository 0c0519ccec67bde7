package policy

import (
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/stompgw/stompgw/bus"
)

// The variables of a route's expressions, beside those of a frame.
const (
	varBody   = "body"    // the body, which has to be JSON: maps, lists, text, numbers, bools and null
	varText   = "text"    // the body as it came, which has to be UTF-8
	varIsJSON = "is_json" // whether body can be used
)

// bodyVariables declares them.
func bodyVariables() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Variable(varBody, cel.DynType),
		cel.Variable(varText, cel.StringType),
		cel.Variable(varIsJSON, cel.BoolType),
	}
}

// message is a SEND as a route's expressions see it. What no expression asks for is not made.
type message struct {
	frame
	envelope *bus.Envelope
	json     any // once parsed
	jsonErr  error
	parsed   bool
	text     any // made at the first mention
}

// ResolveName implements cel.Activation.
func (m *message) ResolveName(name string) (any, bool) {
	switch name {
	case varBody:
		v, err := m.parse()
		if err != nil {
			return types.WrapErr(err), true
		}
		return v, true
	case varText:
		return once(&m.text, m.asText), true
	case varIsJSON:
		_, err := m.parse()
		return err == nil, true
	}
	return m.frame.ResolveName(name)
}

func (m *message) parse() (any, error) {
	if !m.parsed {
		m.json, m.jsonErr = parseJSON(m.envelope.Body)
		m.parsed = true
	}
	return m.json, m.jsonErr
}

func (m *message) asText() any {
	if !utf8.Valid(m.envelope.Body) {
		return types.WrapErr(errNotUTF8)
	}
	return types.String(m.envelope.Body)
}
