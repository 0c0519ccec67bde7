package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// A record of the JSON form is what the replaced system reads and writes. Its value is
//
//	{"principalName":null,"destination":"/topic/chat","messageJsonString":"the body"}
//
// with the principal instead of null in an individual one. When it is read, the fields may stand in
// any order and with others beside them; of repeated ones the last counts. Their names are matched
// letter by letter. An empty principalName is none. A value that is not UTF-8 can't be understood,
// nor can Java's Jackson; half of a surrogate pair, which Jackson takes, becomes U+FFFD.
//
// The value has no place for headers, so these travel as record headers: node, seq, MemberHeader where subscribers see
// who sent it, and the sender's own with stompPrefix before their names, so that no client can set one that a Spring
// consumer acts on, such as __TypeId__. No other header of a record is passed on, save content-type, the first
// one, when there is none with the prefix. Without either the content type is textPlain.
const (
	stompPrefix = "stomp."
	contentType = "content-type"
	textPlain   = "text/plain;charset=UTF-8"
)

// The pieces of the value, in the order and with the names of the replaced system.
const (
	jsonPrincipal   = `{"principalName":`
	jsonDestination = `,"destination":`
	jsonBody        = `,"messageJsonString":`
	jsonEnd         = `}`
	jsonNull        = `null`
)

func checkJSON(e *bus.Envelope) error {
	what := ""
	switch {
	case !utf8.Valid(e.Body):
		what = "body"
	case !utf8.ValidString(e.Destination):
		what = "destination"
	case !utf8.ValidString(e.Principal):
		what = "principal"
	default:
		return nil
	}
	return fmt.Errorf("%w: the %s is not UTF-8, and JSON envelopes carry nothing else; send text, or set the envelope to headers", bus.ErrContent, what)
}

// jsonValue returns the value of the record that carries e.
func jsonValue(e *bus.Envelope) []byte {
	value := make([]byte, 0, jsonValueSize(e))
	value = append(value, jsonPrincipal...)
	if e.Principal == "" {
		value = append(value, jsonNull...)
	} else {
		value = appendQuoted(value, e.Principal)
	}
	value = append(value, jsonDestination...)
	value = appendQuoted(value, e.Destination)
	value = append(value, jsonBody...)
	value = appendQuoted(value, e.Body)
	return append(value, jsonEnd...)
}

func jsonValueSize(e *bus.Envelope) int {
	size := len(jsonPrincipal + jsonNull + jsonDestination + jsonBody + jsonEnd)
	if e.Principal != "" {
		size += quotedSize(e.Principal) - len(jsonNull)
	}
	return size + quotedSize(e.Destination) + quotedSize(e.Body)
}

// decodeJSON undoes Encode.
func decodeJSON(rec *wire.Record) (e bus.Envelope, from Origin, err error) {
	if e, err = parseJSON(rec.Value); err != nil {
		return bus.Envelope{}, Origin{}, fmt.Errorf("no destination header, and the value %w", err)
	}
	e.Headers, from = fromJSONHeaders(rec.Headers), originOf(rec.Headers)
	e.Member = memberOf(rec.Headers, from)
	return e, from, nil
}

// parseJSON returns the envelope that value holds, without headers. The body may alias value. An
// error continues a sentence that begins with "the value".
func parseJSON(value []byte) (e bus.Envelope, err error) {
	if err := checkObject(value); err != nil {
		return e, err
	}
	var principal, destination, body []byte
	for name, raw, rest := nextMember(bytes.TrimLeft(value, blanks)[1:]); name != nil; name, raw, rest = nextMember(rest) {
		switch string(unquote(name)) {
		case "principalName":
			principal = raw
		case "destination":
			destination = raw
		case "messageJsonString":
			body = raw
		}
	}
	principal, err = textOf(principal, "principalName", false)
	if err == nil {
		destination, err = textOf(destination, "destination", true)
	}
	if err == nil {
		body, err = textOf(body, "messageJsonString", true)
	}
	if err == nil && len(destination) == 0 {
		err = errors.New("has an empty destination")
	}
	return bus.Envelope{Principal: string(principal), Destination: string(destination), Body: body}, err
}

// checkObject returns what keeps value from being a JSON object. It quotes nothing of it, which the
// errors of encoding/json do.
func checkObject(value []byte) error {
	switch {
	case value == nil:
		return errors.New("is null")
	case len(value) == 0:
		return errors.New("is empty")
	case !utf8.Valid(value):
		return errors.New("is not UTF-8")
	case !json.Valid(value):
		return fmt.Errorf("is not JSON from byte %d of %d on", faultIn(value), len(value))
	case bytes.TrimLeft(value, blanks)[0] != '{':
		return errors.New("is JSON, but not an object")
	}
	return nil
}

// faultIn returns which byte of value, from 1, keeps it from being JSON.
func faultIn(value []byte) int64 {
	var fault *json.SyntaxError
	if errors.As(json.Unmarshal(value, new(json.RawMessage)), &fault) {
		return fault.Offset
	}
	return 0
}

// textOf returns what a string of JSON says. Without one, nil for a field that there was not, or
// that is null, is an error only if it must be there.
func textOf(raw []byte, name string, must bool) ([]byte, error) {
	switch {
	case raw == nil || string(raw) == jsonNull:
		if must {
			return nil, fmt.Errorf("has no %s", name)
		}
		return nil, nil
	case raw[0] != '"':
		return nil, fmt.Errorf("has a %s that is not a string", name)
	}
	return unquote(raw), nil
}

// Guarded returns the headers of what goes to a backend of the replaced system: the sender's own have stompPrefix before their names here,
// too, but for those that no consumer acts on.
func Guarded(headers []bus.Header) []bus.Header {
	guarded := make([]bus.Header, len(headers))
	for i, h := range headers {
		switch {
		case strings.HasPrefix(h.Name, "stomp-"), h.Name == contentType, h.Name == "correlation-id", h.Name == "traceparent":
		default:
			h.Name = stompPrefix + h.Name
		}
		guarded[i] = h
	}
	return guarded
}

// fromJSONHeaders returns the headers of the envelope beside which the given record headers stand.
func fromJSONHeaders(headers []kafka.Header) []bus.Header {
	entries := make([]bus.Header, 0, len(headers)+1)
	typ, said, typed := textPlain, false, false
	values := valuesOf(headers)
	for _, h := range headers {
		value := values.next(h)
		if name, ok := strings.CutPrefix(h.Key, stompPrefix); ok {
			entries = append(entries, bus.Header{Name: name, Value: value})
			typed = typed || name == contentType
		} else if h.Key == contentType && value != "" && !said {
			typ, said = value, true
		}
	}
	if !typed {
		entries = append(entries, bus.Header{Name: contentType, Value: typ})
	}
	return entries
}
