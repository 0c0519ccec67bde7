package form

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// maxDestination bounds the destination that a template makes, in bytes.
const maxDestination = 1024

// template is a destination with places for what a record says.
type template []part

// part is a literal, or a place.
type part struct {
	text   string // as it was written
	place  string // "key", "topic", "partition" or "header"; empty for a literal
	header string // whose value it is
}

// parseTemplate reads a template. The error is about it, for behind the name of a setting.
func parseTemplate(s string) (template, error) {
	if len(s) > maxDestination {
		return nil, fmt.Errorf("has %d bytes, but a destination has %d at most", len(s), maxDestination)
	}
	t, err := split(s)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%q %w", s, err)
	}
	return t, nil
}

func split(s string) (t template, err error) {
	for rest, more := s, true; more; {
		var literal, name string
		if literal, rest, more = strings.Cut(rest, "{"); strings.Contains(literal, "}") {
			return nil, errors.New("has a } without a {")
		}
		if literal != "" {
			t = append(t, part{text: literal})
		}
		if !more {
			break
		}
		var closed bool
		if name, rest, closed = strings.Cut(rest, "}"); !closed || strings.Contains(name, "{") {
			return nil, errors.New("has a { without a }")
		}
		p, err := parsePlace(name)
		if err != nil {
			return nil, err
		}
		t = append(t, p)
	}
	return t, nil
}

func parsePlace(name string) (part, error) {
	header, isHeader := strings.CutPrefix(name, "header.")
	switch {
	case isHeader && header != "":
		return part{"{" + name + "}", "header", header}, nil
	case name == "key" || name == "topic" || name == "partition":
		return part{"{" + name + "}", name, ""}, nil
	}
	return part{}, fmt.Errorf("has the unknown {%s}: want {key}, {topic}, {partition} or {header.NAME}", name)
}

// check returns what is wrong with the literals.
func (t template) check() error {
	const example = "write it like /topic/orders/{key}"
	for _, p := range t {
		switch {
		case !isText([]byte(p.text)):
			return errors.New("is not text without control characters: " + example)
		case p.place != "":
		case strings.Contains(p.text, "//"):
			return errEmptySegment
		case strings.ContainsAny(p.text, "*?"):
			return errors.New("holds * or ?: a message has one destination, no pattern")
		}
	}
	if len(t) == 0 || !strings.HasPrefix(t[0].text, "/") {
		return errors.New("does not begin with a slash: " + example)
	}
	if strings.HasSuffix(t[len(t)-1].text, "/") {
		return errEmptySegment
	}
	return nil
}

var errEmptySegment = errors.New("has an empty segment: write the slashes singly and none at the end")

// with returns t with the same text in each place, and its literals as quote has them.
func (t template) with(place string, quote func(string) string) (text string) {
	for _, p := range t {
		if p.place != "" {
			text += place
		} else {
			text += quote(p.text)
		}
	}
	return text
}

// expand returns the destination of rec.
func (t template) expand(rec *wire.Record) (string, error) {
	var memory [256]byte
	dst := memory[:0]
	for _, p := range t {
		start := len(dst)
		dst = p.append(dst, rec)
		if len(dst) > maxDestination {
			return "", fmt.Errorf("%s makes the destination longer than %d bytes", p.text, maxDestination)
		}
		if p.place == "" {
			continue
		}
		if err := checkSegment(dst[start:]); err != nil {
			return "", fmt.Errorf("%s %w", p.text, err)
		}
	}
	return string(dst), nil
}

// append appends what stands for p, nothing if rec does not have it.
func (p part) append(dst []byte, rec *wire.Record) []byte {
	switch p.place {
	case "key":
		return append(dst, rec.Key...)
	case "topic":
		return append(dst, rec.Topic...)
	case "partition":
		return strconv.AppendInt(dst, int64(rec.Partition), 10)
	case "header":
		for _, h := range rec.Headers {
			if h.Key == p.header {
				return append(dst, h.Value...)
			}
		}
		return dst
	}
	return append(dst, p.text...)
}

// checkSegment returns why value can't be a segment or a part of one.
func checkSegment(value []byte) error {
	switch {
	case len(value) == 0:
		return errors.New("is missing or empty")
	case !isText(value):
		return errors.New("is not UTF-8 without control characters")
	case bytes.ContainsAny(value, "/*?{}"):
		return errors.New("holds one of / * ? { }, which can't stand in a segment")
	}
	return nil
}

// isText reports whether s is UTF-8 without control characters.
func isText(s []byte) bool {
	return utf8.Valid(s) && !bytes.ContainsFunc(s, unicode.IsControl)
}
