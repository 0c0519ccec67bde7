package stomp

import (
	"bytes"
	"unicode/utf8"
)

// unescaped returns the octet that a backslash followed by c stands for in version v, which is 1.1
// or later ("Value Encoding"). 1.1 has none for a carriage return.
func unescaped(c byte, v Version) (octet byte, ok bool) {
	switch {
	case c == '\\':
		return '\\', true
	case c == 'n':
		return '\n', true
	case c == 'c':
		return ':', true
	case c == 'r' && v >= V12:
		return '\r', true
	}
	return 0, false
}

// undefinedEscape returns the position in b of the first backslash that does not begin an escape
// of version v, -1 for none.
func undefinedEscape(b []byte, v Version) int {
	at := bytes.IndexByte(b, '\\')
	if at < 0 || v < V11 {
		return -1
	}
	for ; at < len(b); at++ {
		if b[at] != '\\' {
			continue
		}
		if at+1 == len(b) {
			return at
		}
		if _, ok := unescaped(b[at+1], v); !ok {
			return at
		}
		at++
	}
	return -1
}

// unescape resolves the escapes of b in place and returns what is left of it. All of them are
// defined in version v.
func unescape(b []byte, v Version) []byte {
	to := bytes.IndexByte(b, '\\')
	if to < 0 || v < V11 {
		return b
	}
	for from := to; from < len(b); from++ {
		c := b[from]
		if c == '\\' {
			from++
			c, _ = unescaped(b[from], v)
		}
		b[to] = c
		to++
	}
	return b[:to]
}

// appendEscaped appends s, a header name or value, with the escapes of version v, which is 1.1 or
// later.
func appendEscaped[T string | []byte](dst []byte, s T, v Version) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == ':':
			dst = append(dst, '\\', 'c')
		case c == '\r' && v >= V12:
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// Plain reports whether s is the same on the wire in every version, as the name and as the value
// of an entry: it holds no octet that some version escapes, and none that some version can't
// express. What is built only from plain entries can be shared by sessions of all versions.
func Plain[T string | []byte](s T) bool {
	ascii := true
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '\r', '\n', ':', 0:
			return false
		default:
			ascii = ascii && c < utf8.RuneSelf
		}
	}
	return ascii || utf8.Valid([]byte(s))
}

// expressible reports whether version v has a way to write s as a name or as a value. No version
// has one for a NUL; 1.1 and 1.2 have none for what is not UTF-8; before 1.1 a line feed ends the
// line, a colon the name; and before 1.2 a carriage return that ends a value is lost in the
// end-of-line.
func expressible[T string | []byte](v Version, s T, isName bool) bool {
	if v >= V11 && !utf8.Valid([]byte(s)) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c == 0 || v < V11 && (c == '\n' || c == ':' && isName) {
			return false
		}
	}
	return isName || v >= V12 || !bytes.HasSuffix(trimValue([]byte(s), v), []byte{'\r'})
}
