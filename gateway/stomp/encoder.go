package stomp

import (
	"bytes"
	"strconv"
)

// AppendFrame appends f as version v writes it; CONNECT, CONNECTED and STOMP are written as in all
// versions. A MESSAGE, and any frame with a body, gets its own content-length instead of any in f's header
// ("Header content-length"). Entries that AppendEntry can't write are left out, and so is the body of a
// frame that may have none. A body that 1.0 tolerates there gets no content-length. A command that the
// protocol does not know gets no body.
func AppendFrame(dst []byte, v Version, f *Frame) []byte {
	rule := bodyOf(v, f.Command)
	v = encoding(v, f.Command)
	dst = AppendCommand(dst, f.Command)
	for _, e := range f.Header {
		if e.Name != HeaderContentLength {
			dst = AppendEntry(dst, v, e.Name, e.Value)
		}
	}
	switch {
	case rule == bodyAllowed && (len(f.Body) > 0 || f.Command == CommandMessage):
		return AppendBody(dst, f.Body)
	case (rule == bodyIgnored || rule == bodyTolerated) && bytes.IndexByte(f.Body, 0) < 0:
		return append(append(append(dst, '\n'), f.Body...), 0)
	}
	return AppendEnd(dst)
}

// AppendCommand begins a frame. The caller makes sure that command is one of the protocol's.
func AppendCommand(dst []byte, command string) []byte {
	dst = append(dst, command...)
	return append(dst, '\n')
}

// AppendEntry appends one header entry as version v writes it; 0 writes it as CONNECTED has it,
// which is the same in all versions ("Value Encoding").
//
// An entry that v can't express is left out: one with an empty name, or with a NUL; in 1.1 and 1.2 one
// that is not UTF-8; before 1.1 one with a line feed, or with a colon in its name; and before 1.2 one
// whose value ends with a carriage return. So whoever chose a value can't add a line to a frame, or end
// it.
func AppendEntry[T string | []byte](dst []byte, v Version, name string, value T) []byte {
	if name == "" {
		return dst
	}
	if !Plain(name) || !Plain(value) {
		if !expressible(v, name, true) || !expressible(v, value, false) {
			return dst
		}
		if v >= V11 {
			dst = appendEscaped(dst, name, v)
			dst = append(dst, ':')
			dst = appendEscaped(dst, value, v)
			return append(dst, '\n')
		}
	}
	dst = append(dst, name...)
	dst = append(dst, ':')
	dst = append(dst, value...)
	return append(dst, '\n')
}

// AppendBody ends the head with the body's content-length, and the frame with body and NUL.
func AppendBody(dst, body []byte) []byte {
	dst = append(dst, HeaderContentLength+":"...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, '\n', '\n')
	dst = append(dst, body...)
	return append(dst, 0)
}

// AppendEnd ends a frame that has no body.
func AppendEnd(dst []byte) []byte {
	return append(dst, '\n', 0)
}
