package form

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// letters are those of the escapes that have one, and escaped what they stand for.
const letters, escaped = `"\bfnrt`, "\"\\\b\f\n\r\t"

// escapes has what stands for each character that has to be escaped. The others have nothing.
var escapes = func() (all [256]string) {
	for c := range ' ' {
		all[c] = fmt.Sprintf(`\u%04X`, c)
	}
	for i := range letters {
		all[escaped[i]] = `\` + letters[i:i+1]
	}
	return all
}()

// appendQuoted appends UTF-8 as a JSON string. Only what has to be escaped is, and as Java's Jackson
// does it, which escapes characters above U+FFFF too; encoding/json escapes others.
func appendQuoted[S string | []byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	done := 0
	for i := range len(s) {
		if escape := escapes[s[i]]; escape != "" {
			dst = append(append(dst, s[done:i]...), escape...)
			done = i + 1
		}
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}

// quotedSize returns how many bytes appendQuoted appends.
func quotedSize[S string | []byte](s S) int {
	size := len(`""`) + len(s)
	for i := range len(s) {
		if escape := escapes[s[i]]; escape != "" {
			size += len(escape) - 1
		}
	}
	return size
}

// unquote returns what a JSON string says, which has to be valid UTF-8. The result aliases quoted if
// nothing in it is escaped. Half of a surrogate pair becomes U+FFFD.
func unquote(quoted []byte) []byte {
	s := quoted[1 : len(quoted)-1]
	next := bytes.IndexByte(s, '\\')
	if next < 0 {
		return s
	}
	text := make([]byte, 0, len(s))
	for ; next >= 0; next = bytes.IndexByte(s, '\\') {
		text = append(text, s[:next]...)
		text, s = appendUnescaped(text, s[next:])
	}
	return append(text, s...)
}

// appendUnescaped appends what the escape at the beginning of s stands for, and returns the rest.
func appendUnescaped(dst, s []byte) (text, rest []byte) {
	if s[1] != 'u' {
		return append(dst, unescape(s[1])), s[2:]
	}
	r, rest := codeUnit(s), s[6:]
	if utf16.IsSurrogate(r) {
		low := utf8.RuneError
		if bytes.HasPrefix(rest, []byte(`\u`)) {
			low = codeUnit(rest)
		}
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			rest = rest[6:]
		}
	}
	return utf8.AppendRune(dst, r), rest
}

// unescape returns the character that a letter behind a backslash stands for.
func unescape(letter byte) byte {
	if i := strings.IndexByte(letters, letter); i >= 0 {
		return escaped[i]
	}
	return letter // /
}

// codeUnit returns what the \uXXXX at the beginning of s stands for.
func codeUnit(s []byte) rune {
	n, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	if err != nil {
		return utf8.RuneError // never in a string that is valid JSON
	}
	return rune(n)
}

// The functions here take JSON objects apart that encoding/json has found valid. It would do that
// too, but matches names in any case of letters, or takes three times as long.

const blanks = " \t\r\n"

// nextMember cuts the first member off s, which is an object behind its brace, or behind another
// member. Name and value are as they stand there; name is nil when the object ends.
func nextMember(s []byte) (name, value, rest []byte) {
	s = bytes.TrimLeft(s, ","+blanks)
	if s[0] == '}' {
		return nil, nil, nil
	}
	n := stringEnd(s)
	name, s = s[:n], s[n:]
	s = s[bytes.IndexByte(s, ':')+1:]
	n = valueEnd(s)
	return name, bytes.Trim(s[:n], blanks), s[n:]
}

// stringEnd returns where the string that s begins with ends.
func stringEnd(s []byte) int {
	for i := 1; ; i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueEnd returns where the comma or brace is that follows the value at the beginning of s.
func valueEnd(s []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch c := s[i]; c {
		case '"':
			i += stringEnd(s[i:]) - 1
		case '{', '[':
			depth++
		case ',', '}', ']':
			if depth == 0 {
				return i
			}
			if c != ',' {
				depth--
			}
		}
	}
}
