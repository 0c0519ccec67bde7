package kafkabus

import (
	"errors"
	"fmt"

	"github.com/stompgw/stompgw/bus"
)

// Source is a topic of the user's own that becomes a destination. The body is the record's value,
// empty with a header tombstone:true for a record without one. The record's headers become headers
// with a prefix, but content-type stays what it is.
type Source struct {
	Topic string
	// Destination is a template such as "/topic/orders/{key}". {key}, {topic}, {partition} and
	// {header.x} (of repeated ones the first) stand for a segment or a part of one. What they become
	// can't be empty, has to be UTF-8 without control characters, and can't hold a slash, or one of
	// * ? { }, which no rule of the catalogue matches. A record that does not fit is skipped, also
	// when the destination would have more than 1024 bytes.
	Destination string
	Headers     string // the prefix, empty for none
}

// source is a Source as it is used. Any goroutine may use it.
type source struct {
	destination template
	prefix      string
}

// parseSource checks s. An error says what is wrong with it, and what is right.
func parseSource(s Source) (*source, error) {
	if s.Topic == "" {
		return nil, errors.New("no topic is named")
	}
	if !isText([]byte(s.Headers)) {
		return nil, fmt.Errorf("headers %q: want a prefix of UTF-8 without control characters", s.Headers)
	}
	destination, err := parseTemplate(s.Destination)
	if err != nil {
		return nil, fmt.Errorf("destination %q: %w", s.Destination, err)
	}
	return &source{destination, s.Headers}, nil
}

// envelope returns what rec becomes. The body aliases the record's value. An error says what the
// record lacks, without quoting it.
func (s *source) envelope(rec *record) (e bus.Envelope, err error) {
	if e.Destination, err = s.destination.expand(rec); err != nil {
		return bus.Envelope{}, err
	}
	e.Body = rec.value
	e.Headers = headersFor(rec, len(rec.headers))
	values := valuesOf(rec.headers)
	for _, h := range rec.headers {
		name := h.Key
		if name != contentType {
			name = s.prefix + name
		}
		e.Headers = append(e.Headers, bus.Header{Name: name, Value: values.next(h)})
	}
	return e, nil
}
