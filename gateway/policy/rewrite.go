package policy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Content types of what expressions make.
const (
	contentType = "content-type"
	typeJSON    = "application/json"
	typeText    = "text/plain;charset=UTF-8"
	typeBytes   = "application/octet-stream"
)

// Rewrite applies a route's expressions to one SEND.
type Rewrite struct {
	rule  *rule
	frame frame // as it was judged; it asks no session any more
}

// Apply rewrites the body and the headers of e, which holds the SEND as it came with the headers
// that travel, and does not change the memory of either. limit is the largest body, in bytes. It
// returns nil, or why the message is refused; then e must not be used any more. Its time is bounded by
// the body, whose JSON it parses, and by the cost limit of an evaluation; the end of ctx interrupts it.
// It may be called from any goroutine.
func (w *Rewrite) Apply(ctx context.Context, e *bus.Envelope, limit int) *Refusal {
	err := w.apply(ctx, e, limit)
	if err == nil {
		return nil
	}
	r := Refuse(CodeBody)
	if errors.Is(err, errTooLarge) {
		r = Refuse(CodeTooLarge)
	}
	r.Reason = err
	return r
}

func (w *Rewrite) apply(ctx context.Context, e *bus.Envelope, limit int) error {
	m := &message{frame: w.frame, envelope: e}
	m.request.Headers = e.Headers
	body, media, err := w.body(ctx, m, limit)
	if err != nil {
		return err
	}
	entries, err := w.entries(ctx, m)
	if err != nil {
		return err
	}
	if _, named := entries[contentType]; media != "" && !named {
		entries[contentType] = media
	}
	e.Body, e.Headers = body, merge(e.Headers, entries)
	if w.rule.headers != nil && !fits(e.Headers) {
		return &unfit{w.rule.headers, errTooLarge}
	}
	return nil
}

// body returns the body of the message to be published, and its content type, "" for that which
// the sender named.
func (w *Rewrite) body(ctx context.Context, m *message, limit int) (body []byte, media string, err error) {
	sent := m.envelope.Body
	if w.rule.body == nil {
		return sent, "", nil
	}
	v, err := w.rule.body.evaluate(ctx, m)
	if err != nil {
		return nil, "", err
	}
	switch v := v.(type) {
	case types.String:
		if string(v) == string(sent) {
			return sent, "", nil // text that passes as it came
		}
		if !utf8.ValidString(string(v)) {
			err = errText
		}
		body, media = []byte(v), typeText
	case types.Bytes:
		body, media = []byte(v), typeBytes
	default:
		out := jsonWriter{out: make([]byte, 0, min(len(sent)+64, limit)), limit: limit}
		err = out.write(v, 0)
		body, media = out.out, typeJSON
	}
	if err == nil && len(body) > limit {
		err = errTooLarge
	}
	if err != nil {
		return nil, "", &unfit{w.rule.body, err}
	}
	return body, media, nil
}

// entries returns the header entries that the route adds, by name.
func (w *Rewrite) entries(ctx context.Context, m *message) (map[string]string, error) {
	entries := map[string]string{}
	if w.rule.headers == nil {
		return entries, nil
	}
	v, err := w.rule.headers.evaluate(ctx, m)
	if err != nil {
		return nil, err
	}
	made, ok := v.(traits.Mapper)
	if !ok {
		return nil, &unfit{w.rule.headers, errHeaders}
	}
	for it := made.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, isText := key.(types.String)
		value, isText2 := made.Get(key).(types.String)
		switch {
		case !isText || !isText2:
			return nil, &unfit{w.rule.headers, errHeaders}
		case !carried(string(name)) || !carried(string(value)) || name == "" || !Travels(string(name), []byte(value)):
			return nil, &unfit{w.rule.headers, errHeader}
		}
		entries[string(name)] = string(value)
	}
	return entries, nil
}

// carried reports whether STOMP has a way to write a name or value ("Value Encoding").
func carried(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// merge returns the sender's headers with entries in place of all those of the same names.
func merge(sent []bus.Header, entries map[string]string) []bus.Header {
	if len(entries) == 0 {
		return sent
	}
	merged := make([]bus.Header, 0, len(sent)+len(entries))
	for _, h := range sent {
		if _, replaced := entries[h.Name]; !replaced {
			merged = append(merged, h)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		merged = append(merged, bus.Header{Name: name, Value: entries[name]})
	}
	return merged
}

// fits holds a message to what a client may send.
func fits(headers []bus.Header) bool {
	limits := stomp.DefaultLimits()
	all := 0
	for _, h := range headers {
		line := len(h.Name) + len(":") + len(h.Value)
		if all += line + len("\n"); line > limits.Line {
			return false
		}
	}
	return len(headers) <= limits.Headers && all <= limits.Head
}
