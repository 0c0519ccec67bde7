package output

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonList writes an array with one element a line.
type jsonList struct {
	w    io.Writer
	rows int
}

func (l *jsonList) row(r Row) error {
	text, err := marshal(r.Value)
	if err != nil {
		return err
	}
	before := ",\n"
	if l.rows == 0 {
		before = "[\n"
	}
	l.rows++
	_, err = fmt.Fprintf(l.w, "%s%s", before, text)
	return err
}

func (l *jsonList) flush() error { return nil }

func (l *jsonList) end() error {
	end := "\n]\n"
	if l.rows == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(l.w, end)
	return err
}

// lines writes a value a line.
type lines struct {
	w io.Writer
}

func (l lines) row(r Row) error {
	text, err := marshal(r.Value)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.w, "%s\n", text)
	return err
}

func (l lines) flush() error { return nil }

func (l lines) end() error { return nil }

// marshal returns JSON on one line, which is safe to show: what is not printable is escaped.
func marshal(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return escape(text), nil
}

// escape escapes what is not printable in JSON on one line; that can only stand in its strings.
func escape(text []byte) []byte {
	safe := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case unicode.IsPrint(r) && (r != utf8.RuneError || n > 1):
			safe = append(safe, text[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			safe = fmt.Appendf(safe, `\u%04x\u%04x`, high, low)
		default:
			safe = fmt.Appendf(safe, `\u%04x`, r)
		}
		text = text[n:]
	}
	return safe
}
