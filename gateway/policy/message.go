package policy

import (
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/stompgw/stompgw/bus"
)

// The variables of an expression.
const (
	varBody        = "body"        // the body, which has to be JSON: maps, lists, text, numbers, bools and null
	varText        = "text"        // the body as it came, which has to be UTF-8
	varIsJSON      = "is_json"     // whether body can be used
	varHeaders     = "headers"     // the sender's own header entries that travel, of repeated ones the first
	varVars        = "vars"        // what the variables of the route's match stand for
	varDestination = "destination" // what the client sent to
)

// message is a SEND as an expression sees it. What no expression asks for is not made.
type message struct {
	rewrite  *Rewrite
	envelope *bus.Envelope
	json     any // once parsed
	jsonErr  error
	parsed   bool

	// Made at the first mention: an expression may name them at each step of a loop.
	text, fields, variables any
}

// Parent implements cel.Activation.
func (m *message) Parent() cel.Activation { return nil }

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
	case varHeaders:
		return once(&m.fields, func() any { return m.headers() }), true
	case varVars:
		return once(&m.variables, func() any { return m.rewrite.vars() }), true
	case varDestination:
		return m.rewrite.destination, true
	}
	return nil, false
}

func (m *message) parse() (any, error) {
	if !m.parsed {
		m.json, m.jsonErr = parseJSON(m.envelope.Body)
		m.parsed = true
	}
	return m.json, m.jsonErr
}

// once makes a value the first time that it is asked for.
func once(value *any, make func() any) any {
	if *value == nil {
		*value = make()
	}
	return *value
}

func (m *message) asText() any {
	if !utf8.Valid(m.envelope.Body) {
		return types.WrapErr(errNotUTF8)
	}
	return types.String(m.envelope.Body)
}

func (m *message) headers() map[string]string {
	headers := make(map[string]string, len(m.envelope.Headers))
	for _, h := range m.envelope.Headers {
		if _, repeated := headers[h.Name]; !repeated {
			headers[h.Name] = h.Value
		}
	}
	return headers
}
