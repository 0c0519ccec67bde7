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
	literal string
	place   string // "key", "topic", "partition" or "header"; empty for a literal
	header  string // whose value it is
}

// String is how the part was written.
func (p part) String() string {
	switch p.place {
	case "":
		return p.literal
	case "header":
		return "{header." + p.header + "}"
	}
	return "{" + p.place + "}"
}

func parseTemplate(s string) (t template, err error) {
	for rest, more := s, true; more; {
		var literal, name string
		if literal, rest, more = strings.Cut(rest, "{"); strings.Contains(literal, "}") {
			return nil, errors.New("a } without a { before it")
		}
		if literal != "" {
			t = append(t, part{literal: literal})
		}
		if !more {
			break
		}
		var closed bool
		if name, rest, closed = strings.Cut(rest, "}"); !closed || strings.Contains(name, "{") {
			return nil, errors.New("a { without a } after it")
		}
		p, err := parsePlace(name)
		if err != nil {
			return nil, err
		}
		t = append(t, p)
	}
	return t, t.check(len(s))
}

func parsePlace(name string) (part, error) {
	header, isHeader := strings.CutPrefix(name, "header.")
	switch {
	case isHeader && header != "":
		return part{place: "header", header: header}, nil
	case name == "key" || name == "topic" || name == "partition":
		return part{place: name}, nil
	}
	return part{}, fmt.Errorf("{%s} is unknown; want {key}, {topic}, {partition} or {header.NAME}", name)
}

// check returns what is wrong with the literals of a template that was written with so many bytes.
func (t template) check(written int) error {
	if len(t) == 0 || !strings.HasPrefix(t[0].literal, "/") {
		return errors.New("want a slash at the beginning")
	}
	if written > maxDestination {
		return fmt.Errorf("has %d bytes; want no more than %d", written, maxDestination)
	}
	for _, p := range t {
		switch {
		case strings.Contains(p.literal, "//"):
			return errors.New("an empty segment; write the slashes singly")
		case strings.ContainsAny(p.literal, "*?"):
			return errors.New("the wildcards * and ? can't be used here")
		case !isText([]byte(p.literal)):
			return errors.New("want UTF-8 without control characters")
		}
	}
	if strings.HasSuffix(t[len(t)-1].literal, "/") {
		return errors.New("an empty segment at the end")
	}
	return nil
}

// expand returns the destination of rec.
func (t template) expand(rec *wire.Record) (string, error) {
	var memory [256]byte
	dst := memory[:0]
	for _, p := range t {
		start := len(dst)
		dst = p.append(dst, rec)
		if len(dst) > maxDestination {
			return "", fmt.Errorf("%s makes the destination longer than %d bytes", p, maxDestination)
		}
		if p.place == "" {
			continue
		}
		if err := checkSegment(dst[start:]); err != nil {
			return "", fmt.Errorf("%s %w", p, err)
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
	return append(dst, p.literal...)
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
