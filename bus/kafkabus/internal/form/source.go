package form

import (
	"errors"
	"fmt"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
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

// Mapping is a Source as it is used. Any goroutine may use it.
type Mapping struct {
	destination template
	prefix      string
}

// Mapping checks s. An error says what is wrong with it, and what is right.
func (s Source) Mapping() (*Mapping, error) {
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
	return &Mapping{destination, s.Headers}, nil
}

// Envelope returns what rec becomes. The body aliases the record's value. An error says what the
// record lacks, without quoting it.
func (m *Mapping) Envelope(rec *wire.Record) (e bus.Envelope, err error) {
	if e.Destination, err = m.destination.expand(rec); err != nil {
		return bus.Envelope{}, err
	}
	e.Body = rec.Value
	e.Headers = headersFor(rec, len(rec.Headers))
	values := valuesOf(rec.Headers)
	for _, h := range rec.Headers {
		name := h.Key
		if name != contentType {
			name = m.prefix + name
		}
		e.Headers = append(e.Headers, bus.Header{Name: name, Value: values.next(h)})
	}
	return e, nil
}
