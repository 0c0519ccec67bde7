package sockjs

import (
	"strings"
	"unicode/utf8"
)

// appendEscaped appends text, which must be valid UTF-8, as the inside of a JSON string. Besides
// what JSON asks for it escapes what browsers are known to mangle ("JSON Unicode Encoding"), and
// characters outside the basic plane, as two surrogates. With script, the string may stand in an
// HTML script element too.
func appendEscaped(dst, text []byte, script bool) []byte {
	from := 0 // what has not been appended yet
	for at := 0; at < len(text); {
		c := text[at]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && (c != '<' || !script) {
				at++
				continue
			}
			dst = append(dst, text[from:at]...)
			dst = appendShort(dst, c)
			at++
			from = at
			continue
		}
		r, size := utf8.DecodeRune(text[at:])
		if mangled(r) {
			dst = append(dst, text[from:at]...)
			dst = appendRune(dst, r)
			from = at + size
		}
		at += size
	}
	return append(dst, text[from:]...)
}

// appendShort escapes an ASCII character.
func appendShort(dst []byte, c byte) []byte {
	if i := strings.IndexByte(unescaped, c); i >= 0 && c != '/' {
		return append(dst, '\\', escapes[i])
	}
	return appendUnit(dst, uint16(c))
}

// A backslash and one of escapes stand for the same of unescaped (RFC 8259 section 7).
const (
	escapes   = `"\/bfnrt`
	unescaped = "\"\\/\b\f\n\r\t"
)

// mangled reports whether some browser changes r on its way, as the protocol lists them.
func mangled(r rune) bool {
	switch {
	case r < 0x200c:
		return false
	case r <= 0x200f, r >= 0x2028 && r <= 0x202f, r >= 0x2060 && r <= 0x206f, r >= 0xfff0:
		return true
	}
	return false
}

// appendRune escapes a character as one or two UTF-16 code units.
func appendRune(dst []byte, r rune) []byte {
	if r < 0x10000 {
		return appendUnit(dst, uint16(r))
	}
	r -= 0x10000
	return appendUnit(appendUnit(dst, uint16(0xd800+r>>10)), uint16(0xdc00+r&0x3ff))
}

func appendUnit(dst []byte, u uint16) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
}
