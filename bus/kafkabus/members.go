package kafkabus

import "bytes"

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
