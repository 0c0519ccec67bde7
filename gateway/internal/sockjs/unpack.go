package sockjs

import (
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway/internal/ws"
)

// fault is what is wrong with what a client sends, in the words of the protocol, which it is told.
type fault string

func (f fault) Error() string { return string(f) }

const (
	errNoPayload  = fault("Payload expected.")
	errBrokenJSON = fault("Broken JSON encoding.")
)

// place is where in the JSON an unpacker is.
type place uint8

const (
	atStart  place = iota
	atFirst        // behind the bracket: a string or the end
	atNext         // behind a comma: a string
	inText         // in a string
	inEscape       // behind a backslash
	inUnit         // in the digits of \uXXXX
	behind         // behind a string of the array
	atEnd          // behind the closing bracket, or the one string
)

// unpacker takes the messages out of a payload, a JSON array of strings (RFC 8259), as its bytes
// come. It holds nothing but its place, so no payload is too long for it. The zero value begins one.
// That its bytes are UTF-8 is for others to check.
type unpacker struct {
	bare   bool // the payload may be one string, or nothing, too
	place  place
	digits uint8  // of a unit that have been read
	unit   uint16 // of UTF-16
	high   uint16 // the first of two surrogates, while the second is awaited
	single bool   // the payload is one string
}

// pending reports whether the next bytes may stand for more than they are.
func (u *unpacker) pending() bool { return u.high != 0 || u.place == inUnit }

// complete reports whether the payload may end here.
func (u *unpacker) complete() bool { return u.place == atEnd || u.bare && u.place == atStart }

// next appends to dst what b, the next bytes of the payload, has of one message. taken is how many
// bytes were used, and ends says that the message ends there. dst may lie before b in the same
// memory, unless bytes are pending.
func (u *unpacker) next(dst, b []byte) (text []byte, taken int, ends bool, err error) {
	for ; taken < len(b); taken++ {
		c := b[taken]
		switch {
		case u.place == inText && c == '"':
			u.place = behind
			if u.single {
				u.place = atEnd
			}
			return u.lone(dst), taken + 1, true, nil
		case u.place == inText && c == '\\':
			u.place = inEscape
		case u.place == inText:
			n := plain(b[taken:])
			if n == 0 {
				return dst, taken, false, errBrokenJSON // a control character
			}
			dst = append(u.lone(dst), b[taken:taken+n]...)
			taken += n - 1
		case u.place == inEscape:
			dst, err = u.escape(dst, c)
		case u.place == inUnit:
			dst, err = u.digit(dst, c)
		default:
			err = u.between(c)
		}
		if err != nil {
			return dst, taken, false, err
		}
	}
	return dst, taken, false, nil
}

// plain is how many bytes at the beginning of b stand for themselves in a string.
func plain(b []byte) int {
	for i, c := range b {
		if c < ' ' || c == '"' || c == '\\' {
			return i
		}
	}
	return len(b)
}

// between takes a byte outside strings.
func (u *unpacker) between(c byte) error {
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
	case c == '[' && u.place == atStart:
		u.place = atFirst
	case c == '"' && (u.place == atFirst || u.place == atNext):
		u.place = inText
	case c == '"' && u.place == atStart && u.bare:
		u.place, u.single = inText, true
	case c == ',' && u.place == behind:
		u.place = atNext
	case c == ']' && (u.place == atFirst || u.place == behind):
		u.place = atEnd
	default:
		return errBrokenJSON
	}
	return nil
}

// escape takes the byte behind a backslash.
func (u *unpacker) escape(text []byte, c byte) ([]byte, error) {
	if c == 'u' {
		u.place, u.digits, u.unit = inUnit, 0, 0
		return text, nil
	}
	i := strings.IndexByte(escapes, c)
	if i < 0 {
		return text, errBrokenJSON
	}
	u.place = inText
	return append(u.lone(text), unescaped[i]), nil
}

// digit takes one of the four digits of \uXXXX.
func (u *unpacker) digit(text []byte, c byte) ([]byte, error) {
	switch {
	case c >= '0' && c <= '9':
		c -= '0'
	case c >= 'a' && c <= 'f':
		c -= 'a' - 10
	case c >= 'A' && c <= 'F':
		c -= 'A' - 10
	default:
		return text, errBrokenJSON
	}
	u.unit = u.unit<<4 | uint16(c)
	if u.digits++; u.digits < 4 {
		return text, nil
	}
	u.place = inText
	return u.append(text, u.unit), nil
}

// append appends a UTF-16 unit, which may be half a character.
func (u *unpacker) append(text []byte, unit uint16) []byte {
	r := rune(unit)
	if whole := utf16.DecodeRune(rune(u.high), r); u.high != 0 && whole != utf8.RuneError {
		u.high = 0
		return utf8.AppendRune(text, whole)
	}
	text = u.lone(text)
	if unit >= 0xd800 && unit < 0xdc00 {
		u.high = unit
		return text
	}
	return utf8.AppendRune(text, r) // U+FFFD for a second half alone
}

// lone appends what stands for the first half of a character that has no second.
func (u *unpacker) lone(text []byte) []byte {
	if u.high == 0 {
		return text
	}
	u.high = 0
	return utf8.AppendRune(text, utf8.RuneError)
}

// inflow hands on the messages of payloads.
type inflow struct {
	unpacker
	apart bool   // each message is handed on by itself; otherwise their text is one stream, however cut
	held  []byte // of a message that is handed on by itself, until it ends
}

// take hands feed what b, the next bytes of a payload, holds. b is changed, and so is what feed gets,
// which is borrowed. With an error, nothing of b may have been handed on, or some.
func (f *inflow) take(b []byte, feed func([]byte)) error {
	dst := b[:0]
	if f.pending() {
		dst = make([]byte, 0, len(b)+utf8.UTFMax)
	}
	for from := 0; len(b) > 0; {
		text, taken, ends, err := f.next(dst, b)
		if err != nil {
			return err
		}
		dst, b = text, b[taken:]
		if !f.apart {
			continue
		}
		if len(f.held)+len(dst)-from > maxApart {
			return ws.ErrTooBig
		}
		if ends && len(f.held) == 0 {
			feed(dst[from:len(dst):len(dst)])
		} else if f.held = append(f.held, dst[from:]...); ends {
			feed(f.held)
			f.held = nil
		}
		from = len(dst)
	}
	if !f.apart && len(dst) > 0 {
		feed(dst)
	}
	return nil
}

// checkPayload returns what is wrong with a payload, if anything is.
func checkPayload(payload []byte) error {
	if len(payload) == 0 {
		return errNoPayload
	}
	if !utf8.Valid(payload) {
		return errBrokenJSON
	}
	var u unpacker
	scratch := make([]byte, 0, 4096)
	for b := payload; len(b) > 0; {
		_, taken, _, err := u.next(scratch, b[:min(len(b), cap(scratch)/2)])
		if err != nil {
			return reword(payload)
		}
		b = b[taken:]
	}
	if !u.complete() {
		return reword(payload)
	}
	return nil
}

// reword tells JSON that holds something else from what is no JSON.
func reword(payload []byte) error {
	if json.Valid(payload) {
		return errNoPayload
	}
	return errBrokenJSON
}
