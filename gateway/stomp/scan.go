package stomp

import (
	"bytes"
	"fmt"
)

// scan is how far the frame being read has been looked at. Positions count from the frame's start,
// so that they hold as well when the frame moves from the feeder's memory to the decoder's.
//
// Whether and where a frame is refused depends on its octets alone, never on how they were cut.
// That is why each step below judges the octets in order, and why a line that has not ended is
// judged by those that came.
type scan struct {
	at       int   // octets looked at
	line     int   // start of the line being read, 0 in the command line
	body     int   // start of the body, 0 while in the head
	length   int   // of the body, by the first content-length entry
	receipt  int   // start of the value of the first receipt entry, 0 for none
	entries  int32 // header entries
	sized    bool  // there is a content-length entry
	rule     bodyRule
	encoding Version // the version whose escapes the header uses, see encoding
}

// end returns the frame's size with its NUL, 0 while it is not known.
func (s *scan) end() int {
	if s.body == 0 || !s.sized {
		return 0
	}
	return s.body + s.length + 1
}

// scanFrame looks on in buf, which starts with the frame being read, and returns the frame's size
// when all of it is there, else 0.
func (d *Decoder) scanFrame(buf []byte) (size int, err *ProtocolError) {
	if d.scan.body == 0 {
		if err := d.scanHead(buf); err != nil || d.scan.body == 0 {
			return 0, err
		}
	}
	return d.scanBody(buf)
}

// scanHead looks at the lines up to the empty one. When that is there it sets d.scan.body.
func (d *Decoder) scanHead(buf []byte) *ProtocolError {
	s := &d.scan
	if s.line == 0 {
		if err := d.scanCommand(buf); err != nil || s.line == 0 {
			return err
		}
	}
	for {
		ended, err := d.scanLine(buf)
		if err != nil || !ended {
			return err
		}
		line := trimEOL(buf[s.line:s.at])
		if len(line) == 0 {
			s.body = s.at
			if s.length > d.limits.Body { // before memory is taken for it
				return d.bodyTooLong()
			}
			return nil
		}
		if err := d.scanEntry(line); err != nil {
			return err
		}
		s.line = s.at
	}
}

// scanCommand looks at the command line. When all of it is there it sets d.scan.line.
func (d *Decoder) scanCommand(buf []byte) *ProtocolError {
	s := &d.scan
	limit := min(d.limits.Line, d.limits.Head)
	for ; s.at < len(buf); s.at++ {
		c := buf[s.at]
		switch {
		case c == '\n':
			d.setCommand(trimEOL(buf[:s.at+1]))
			s.at++
			s.line = s.at
			return nil
		case c == '\r' && s.at+1 == len(buf):
			return nil
		case c == '\r' && buf[s.at+1] == '\n':
		case c == '\r':
			return d.fault("STOMP Frames", s.at, "a carriage return must be followed by a line feed")
		case c <= ' ' || c > '~':
			return d.fault("STOMP Frames", s.at, "a frame must start with a command such as SEND and a line feed; "+
				"is the peer speaking TLS, HTTP or another protocol?")
		case s.at >= limit:
			return d.fault("Size Limits", s.at, "the command line is longer than the %d octets allowed", limit)
		}
	}
	return nil
}

// setCommand notes what the command says about the rest of the frame.
func (d *Decoder) setCommand(command []byte) {
	name := known(command)
	d.scan.encoding = encoding(d.version, name)
	d.scan.rule = bodyOf(d.version, name)
}

// scanLine looks for the end of a header line, and reports whether it is there.
func (d *Decoder) scanLine(buf []byte) (ended bool, err *ProtocolError) {
	s := &d.scan
	tooLong := s.line + d.limits.Line // position of the first octet that must not be there
	// Looking at two octets more lets a line of full length have its CR and LF.
	stop := max(s.at, min(len(buf), tooLong+2, d.limits.Head))
	part := buf[s.at:stop]
	lf := bytes.IndexByte(part, '\n')
	if lf >= 0 {
		part = part[:lf]
	}
	if nul := bytes.IndexByte(part, 0); nul >= 0 && s.at+nul <= tooLong {
		return false, d.fault("STOMP Frames", s.at+nul,
			"a NUL stands in the head of a frame; an empty line must end the head, and the NUL follows the body")
	}
	s.at += len(part)
	switch {
	case s.at > tooLong+1, s.at == tooLong+1 && buf[tooLong] != '\r':
		return false, d.fault("Size Limits", tooLong, "a header line is longer than the %d octets allowed", d.limits.Line)
	case lf >= 0:
		s.at++
		return true, nil
	case len(buf) > s.at:
		return false, d.fault("Size Limits", s.at, "the headers take more than the %d octets allowed", d.limits.Head)
	}
	return false, nil
}

// scanBody looks for the NUL after the body and returns the frame's size, 0 when it is not there.
func (d *Decoder) scanBody(buf []byte) (size int, err *ProtocolError) {
	s := &d.scan
	if s.rule == bodyUnknown {
		return s.body, nil
	}
	if s.sized {
		size := s.end()
		if len(buf) < size {
			return 0, nil
		}
		if buf[size-1] != 0 {
			return 0, d.fault("Header content-length", size-1,
				"no NUL follows the body; content-length must be the number of octets in the body")
		}
		return size, nil
	}
	last := s.body + d.limits.Body // the last position where the NUL may stand
	if s.rule == bodyRefused {
		last = s.body
	}
	stop := min(len(buf), last+1)
	nul := bytes.IndexByte(buf[s.at:stop], 0)
	switch {
	case nul >= 0:
		return s.at + nul + 1, nil
	case len(buf) <= last:
		s.at = stop
		return 0, nil
	case s.rule == bodyRefused:
		return 0, d.fault("Body", s.body, "only SEND, MESSAGE and ERROR frames may have a body; in others, "+
			"whatever content-length says, a NUL must follow the empty line")
	}
	return 0, d.bodyTooLong()
}

func (d *Decoder) bodyTooLong() *ProtocolError {
	return d.fault("Size Limits", d.scan.body, "the body is longer than the %d octets allowed", d.limits.Body)
}

// wanted returns how many octets of in to add to held: as far as the frame surely goes, which is to
// the first NUL as long as no content-length is known to reach beyond it. It takes a line's worth at
// once, so that a limit passed shows before more memory is taken.
func (d *Decoder) wanted() int {
	if end := d.scan.end(); end > 0 {
		return min(len(d.in), end-len(d.held))
	}
	return through(d.in, 0, d.limits.Line+2)
}

// through returns the number of octets of b up to and with the first c, but not more than most.
func through(b []byte, c byte, most int) int {
	b = b[:min(len(b), most)]
	if i := bytes.IndexByte(b, c); i >= 0 {
		return i + 1
	}
	return len(b)
}

// trimEOL returns line without the LF or CRLF at its end.
func trimEOL(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

// fault returns the refusal of the octet at position at of the frame being read.
func (d *Decoder) fault(section string, at int, summary string, args ...any) *ProtocolError {
	return &ProtocolError{Section: section, Summary: fmt.Sprintf(summary, args...), Offset: d.offset + int64(at)}
}
