package form

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// Source is one of the user's own topics that becomes a destination. The body is the record's value; for
// a record without one it is empty, with a header tombstone:true. The record's headers become headers
// with a prefix, but content-type keeps its name.
type Source struct {
	Topic string `key:"topic" required:"true" is:"the topic"`
	// Destination is a template such as "/topic/orders/{key}". {key}, {topic}, {partition} and
	// {header.x} (the first if repeated) stand for a segment or a part of one. What they become
	// can't be empty, must be UTF-8 without control characters, and can't hold a slash, or one of
	// * ? { }, which no rule of the catalogue matches. A record that does not fit is skipped, as is one
	// whose destination would have more than 1024 bytes.
	Destination string `key:"destination" required:"true" is:"destination of its records; may use '{key}', '{topic}', '{partition}', '{header.NAME}'"`
	Headers     string `key:"headers" default:"kafka-" is:"prefix added to the names of record headers; may be empty"`
}

// Mapping is a Source as it is used. Any goroutine may use it.
type Mapping struct {
	destination template
	like        *regexp.Regexp // what destinations can be
	prefix      string
}

// Mapping checks s. An error says what is wrong with it, and what is right.
func (s Source) Mapping() (*Mapping, error) {
	if s.Topic == "" {
		return nil, errors.New("no topic is named")
	}
	if err := s.CheckHeaders(); err != nil {
		return nil, fmt.Errorf("headers %w", err)
	}
	destination, err := parseTemplate(s.Destination)
	if err != nil {
		return nil, fmt.Errorf("destination %w", err)
	}
	like := regexp.MustCompile("^" + destination.with("[^/]+", regexp.QuoteMeta) + "$")
	return &Mapping{destination, like, s.Headers}, nil
}

// CheckDestination returns what is wrong with Destination, for behind the name of a setting.
func (s Source) CheckDestination() error {
	_, err := parseTemplate(s.Destination)
	return err
}

// CheckHeaders is CheckDestination for Headers.
func (s Source) CheckHeaders() error {
	if !isText([]byte(s.Headers)) {
		return fmt.Errorf("%q is not text without control characters: write it like kafka-", s.Headers)
	}
	return nil
}

// Pattern is Destination with * for what differs from record to record.
func (m *Mapping) Pattern() string {
	return m.destination.with("*", func(literal string) string { return literal })
}

// Matches reports whether records can become a destination.
func (m *Mapping) Matches(destination string) bool { return m.like.MatchString(destination) }

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
