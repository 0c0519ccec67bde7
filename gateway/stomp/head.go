package stomp

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// encoding returns the version that says how the header of a frame is written: none for CONNECT,
// CONNECTED and STOMP, which are the same in every version and never escaped ("Value Encoding";
// for STOMP "CONNECT or STOMP Frame").
func encoding(v Version, command string) Version {
	switch command {
	case CommandConnect, CommandConnected, CommandStomp:
		return 0
	}
	return v
}

// bodyRule is what a frame may have behind its head.
type bodyRule uint8

const (
	bodyAllowed   bodyRule = iota // and content-length counts its octets
	bodyIgnored                   // up to the first NUL
	bodyTolerated                 // the same, unless there is a content-length
	bodyRefused                   // the NUL follows
	bodyUnknown                   // whatever follows
)

// bodyOf returns the rule for frames of a command: since 1.1 only SEND, MESSAGE and ERROR may have a body
// ("Body"). 1.0, and CONNECT of clients that know nothing else, is let have one, of which 1.0 speaks for
// one command alone ("The body of the SUBSCRIBE command is ignored"). Of commands that the protocol does not
// know, nobody can tell.
func bodyOf(v Version, command string) bodyRule {
	switch command {
	case CommandAbort, CommandAck, CommandBegin, CommandCommit, CommandConnect, CommandConnected, CommandDisconnect,
		CommandNack, CommandReceipt, CommandStomp, CommandSubscribe, CommandUnsubscribe:
		switch {
		case v >= V11:
			return bodyRefused
		case v == V10 && command == CommandSubscribe:
			return bodyIgnored
		}
		return bodyTolerated
	case CommandError, CommandMessage, CommandSend:
		return bodyAllowed
	}
	return bodyUnknown
}

// scanEntry checks the header line at d.scan.line, which is there to its end, and notes what it
// says about the frame. Of repeated entries the first counts ("Repeated Header Entries").
func (d *Decoder) scanEntry(line []byte) *ProtocolError {
	s := &d.scan
	if s.entries++; int(s.entries) > d.limits.Headers {
		return d.fault("Size Limits", s.line, "the frame has more than the %d header entries allowed", d.limits.Headers)
	}
	name, value, colon := bytes.Cut(line, []byte{':'})
	switch {
	case !colon:
		return d.fault("STOMP Frames", s.line, "a header line has no colon; it must read name:value")
	case len(name) == 0:
		return d.fault("STOMP Frames", s.line, "a header line has no name before its colon; it must read name:value")
	}
	if err := d.checkOctets(line); err != nil {
		return err
	}
	value = trimValue(value, s.encoding)
	switch string(name) {
	case HeaderContentLength:
		return d.setLength(value)
	case HeaderReceipt:
		if s.receipt == 0 {
			s.receipt = s.line + len(name) + 1
		}
	}
	return nil
}

// checkOctets refuses what is not UTF-8, escapes that the version does not define, and carriage
// returns where it escapes them. Where it does not, a carriage return is an octet like others but at
// the end of a value: CRLF is an end-of-line in all versions here, and would swallow it.
func (d *Decoder) checkOctets(line []byte) *ProtocolError {
	s := &d.scan
	if d.version >= V11 {
		if at := invalidUTF8(line); at >= 0 {
			return d.fault("Value Encoding", s.line+at, "a header line is not UTF-8, as STOMP %s requires", d.version)
		}
	}
	if at := undefinedEscape(line, s.encoding); at >= 0 {
		known := `\n \c \\`
		if s.encoding >= V12 {
			known = `\r \n \c \\`
		}
		return d.fault("Value Encoding", s.line+at, "undefined escape %s in %s; STOMP %s has %s", escapeAt(line, at), placeOf(line, at), s.encoding, known)
	}
	at := bytes.IndexByte(line, '\r')
	switch {
	case at < 0:
		return nil
	case s.encoding >= V12:
		return d.fault("Value Encoding", s.line+at, `a carriage return stands in a header line; it must be written \r`)
	case bytes.HasSuffix(trimValue(line, s.encoding), []byte{'\r'}):
		return d.fault("STOMP Frames", s.line+len(line)-1, "a carriage return ends a header value, before the end of its line")
	}
	return nil
}

// escapeAt shows the escape of a line that the backslash at position at begins, on one line whatever it is.
func escapeAt(line []byte, at int) string {
	r, _ := utf8.DecodeRune(line[at+1:])
	switch {
	case at+1 == len(line):
		return `\ and nothing`
	case unicode.IsPrint(r):
		return `\` + string(r)
	}
	return fmt.Sprintf(`\ and %q`, r)
}

// placeOf says whether position at is in the name of a header line or in its value, which may be secret.
func placeOf(line []byte, at int) string {
	name, _, _ := bytes.Cut(line, []byte{':'})
	if at < len(name) {
		return fmt.Sprintf("the header name %.40q", name)
	}
	return fmt.Sprintf("the value of the header %.40q", name)
}

// invalidUTF8 returns the position of the first octet of b that is not part of UTF-8 text, -1 for
// none.
func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
}

// setLength notes the first content-length ("Header content-length"). A length over the limit
// counts as one octet over it, so that no number is too great to be held. In a frame that has no body it
// means nothing: clients copy it there from other frames, and what it counts would be the next one.
func (d *Decoder) setLength(digits []byte) *ProtocolError {
	s := &d.scan
	if s.rule == bodyTolerated {
		s.rule = bodyRefused
	}
	if s.sized || s.rule != bodyAllowed {
		return nil
	}
	valid := len(digits) > 0
	for _, c := range digits {
		valid = valid && c >= '0' && c <= '9'
		s.length = min(s.length*10+int(c-'0'), d.limits.Body+1)
	}
	if !valid {
		return d.fault("Header content-length", s.line, "content-length must be a number of octets, in decimal digits alone")
	}
	s.sized = true
	return nil
}

// trimValue takes the padding off a header value of 1.0, whose own examples have it. Later versions
// never trim ("Value Encoding").
func trimValue(value []byte, v Version) []byte {
	if v != V10 {
		return value
	}
	return bytes.Trim(value, " \t")
}

// parse fills f with a frame that is there to its end and found without a fault.
func (d *Decoder) parse(f *Frame, frame []byte) {
	head, body := frame[:d.scan.body], frame[d.scan.body:]
	if len(body) > 0 {
		body = body[:len(body)-1] // without the NUL
	}
	line, rest := cutLine(head)
	f.Command = known(line)
	f.Header = f.Header[:0]
	escaped := bytes.IndexByte(head, '\\') >= 0
	for line, rest = cutLine(rest); len(line) > 0; line, rest = cutLine(rest) {
		colon := bytes.IndexByte(line, ':')
		name, value := line[:colon], trimValue(line[colon+1:], d.scan.encoding)
		if escaped {
			name, value = unescape(name, d.scan.encoding), unescape(value, d.scan.encoding)
		}
		f.Header = append(f.Header, Entry{Name: known(name), Value: value[:len(value):len(value)]})
	}
	f.Body = body[:len(body):len(body)]
}

// cutLine returns the first line of head, without its end-of-line, and the lines after it.
func cutLine(head []byte) (line, rest []byte) {
	n := bytes.IndexByte(head, '\n') + 1
	return trimEOL(head[:n]), head[n:]
}

// receiptOf returns a copy of the receipt noted in the frame that buf starts with, nil for none.
func (d *Decoder) receiptOf(buf []byte) []byte {
	if d.scan.receipt == 0 {
		return nil
	}
	line, _ := cutLine(buf[d.scan.receipt:])
	return unescape(bytes.Clone(trimValue(line, d.scan.encoding)), d.scan.encoding)
}
