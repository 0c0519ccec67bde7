package stomp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// outcome is all that a decoder gives for some bytes.
type outcome struct {
	frames  []Frame
	err     error
	receipt []byte
}

// String shows the frames and the fault, each on a line.
func (o outcome) String() string {
	text := show(o.frames)
	if o.err != ErrIncomplete {
		text += fmt.Sprintf("\n%v receipt=%q", o.err, o.receipt)
	}
	return text
}

// show writes frames as COMMAND name="value" ... "body", each on a line.
func show(frames []Frame) string {
	var lines []string
	for _, f := range frames {
		line := f.Command
		for _, e := range f.Header {
			line += fmt.Sprintf(" %s=%q", e.Name, e.Value)
		}
		lines = append(lines, line+fmt.Sprintf(" %q", f.Body))
	}
	return strings.Join(lines, "\n")
}

// decode feeds the pieces one after the other to a new decoder. Each is overwritten as soon as the
// decoder says that it is done with it.
func decode(v Version, limits Limits, pieces ...[]byte) outcome {
	d := NewDecoder(&limits)
	d.SetVersion(v)
	o := outcome{err: ErrIncomplete}
	for _, piece := range pieces {
		piece = bytes.Clone(piece)
		d.Feed(piece)
		o.err = nextAll(&d, &o.frames)
		for i := range piece {
			piece[i] = 0xFF
		}
	}
	o.receipt = d.Receipt()
	return o
}

// nextAll appends copies of all frames that d has, and returns what ends them.
func nextAll(d *Decoder, frames *[]Frame) error {
	for {
		var f Frame
		if err := d.Next(&f); err != nil {
			return err
		}
		*frames = append(*frames, f.Clone())
	}
}

// row is one case of a rule: what wire means in version. want has the frames as show
// writes them; wantErr, for a fault, is "Section@offset: part of the summary".
type row struct {
	rule    string
	version Version
	wire    string
	want    string
	wantErr string
}

// run checks the row with the wire in one piece, one octet at a time, and cut in two everywhere.
func (r row) run(t *testing.T, limits Limits) {
	t.Helper()
	wire := []byte(r.wire)
	whole := decode(r.version, limits, wire)
	r.check(t, whole)
	octets := slices.Collect(slices.Chunk(wire, 1))
	if got := decode(r.version, limits, octets...); got.String() != whole.String() {
		t.Errorf("one octet at a time:\n%s\nin one piece:\n%s", got, whole)
	}
	for at := range wire {
		if got := decode(r.version, limits, wire[:at], wire[at:]); got.String() != whole.String() {
			t.Errorf("cut at %d:\n%s\nin one piece:\n%s", at, got, whole)
		}
	}
}

func (r row) check(t *testing.T, got outcome) {
	t.Helper()
	var fault *ProtocolError
	errors.As(got.err, &fault)
	if frames := show(got.frames); frames != r.want {
		t.Errorf("frames:\n%s\nwant:\n%s", frames, r.want)
	}
	switch {
	case fault == nil:
		if r.wantErr != "" || got.err != ErrIncomplete {
			t.Errorf("error %v, want %s", got.err, r.wantErr)
		}
	case r.wantErr == "":
		t.Errorf("unwanted fault: %v", fault)
	default:
		place, summary, _ := strings.Cut(r.wantErr, ": ")
		if at := fmt.Sprintf("%s@%d", fault.Section, fault.Offset); at != place || !strings.Contains(fault.Summary, summary) {
			t.Errorf("fault %s: %s\nwant  %s", at, fault.Summary, r.wantErr)
		}
	}
}

func runRows(t *testing.T, rows []row) {
	for _, r := range rows {
		t.Run(r.rule, func(t *testing.T) { r.run(t, DefaultLimits()) })
	}
}

// TestFrames holds the rules of "STOMP Frames" and "Augmented BNF".
func TestFrames(t *testing.T) {
	runRows(t, []row{
		{"nothing", V12, "", "", ""},
		{"command, header and body", V12, "SEND\ndestination:/queue/a\n\nhello queue a\x00",
			`SEND destination="/queue/a" "hello queue a"`, ""},
		{"no header, no body", V12, "DISCONNECT\n\n\x00", `DISCONNECT ""`, ""},
		{"a line feed in the body is body", V12, "SEND\ndestination:/queue/a\n\nhello queue a\n\x00",
			`SEND destination="/queue/a" "hello queue a\n"`, ""},
		{"CRLF ends lines in 1.2", V12, "SEND\r\ndestination:/queue/a\r\n\r\n\r\nx\r\n\x00\r\n",
			`SEND destination="/queue/a" "\r\nx\r\n"`, ""},
		{"CRLF ends lines in 1.1", V11, "SEND\r\ndestination:a\r\n\r\nx\x00", `SEND destination="a" "x"`, ""},
		{"CRLF ends lines in 1.0", V10, "SEND\r\ndestination:a\r\n\r\nx\x00", `SEND destination="a" "x"`, ""},
		{"CRLF ends lines of CONNECT", 0, "CONNECT\r\nhost:a\r\n\r\n\x00\r\n", `CONNECT host="a" ""`, ""},
		{"LF and CRLF may be mixed", V12, "SEND\r\na:1\nb:2\r\n\n\x00", `SEND a="1" b="2" ""`, ""},
		{"end-of-lines may follow the NUL", V12, "DISCONNECT\n\n\x00\n\r\n\n", `DISCONNECT ""`, ""},
		{"several frames", V12, "BEGIN\ntransaction:t\n\n\x00SEND\ndestination:d\n\nx\x00\nABORT\ntransaction:t\n\n\x00",
			`BEGIN transaction="t" ""` + "\n" + `SEND destination="d" "x"` + "\n" + `ABORT transaction="t" ""`, ""},
		{"a frame begun is not a fault", V12, "SEND\ndestination:d\n\nx", "", ""},
		{"a value may be empty", V12, "SEND\na:\n\n\x00", `SEND a="" ""`, ""},
		{"commands are case sensitive", V12, "send\n\n", `send ""`, ""},
		{"header names are case sensitive", V12, "SEND\nContent-Length:9\n\nx\x00", `SEND Content-Length="9" "x"`, ""},
		{"an unknown command is the caller's to answer", V12, "PUBLISH\na:b\n\n", `PUBLISH a="b" ""`, ""},
		{"a header line without a colon", V12, "SEND\nok:1\ndestination\n\n\x00", "", "STOMP Frames@10: no colon; it must read name:value"},
		{"a header line without a name", V12, "SEND\n:value\n\n\x00", "", "STOMP Frames@5: no name before its colon"},
		{"a NUL in the command line", V12, "SEND\x00", "", "STOMP Frames@4: a frame must start with a command"},
		{"a NUL in a header name", V12, "SEND\nde\x00st:1\n\n\x00", "", "STOMP Frames@7: a NUL stands in the head"},
		{"a NUL in a header value", V12, "SEND\na:b\x00\n\n\x00", "", "STOMP Frames@8: a NUL stands in the head"},
		{"a NUL in place of the empty line", V12, "DISCONNECT\nreceipt:77\n\x00", "", "STOMP Frames@22: an empty line must end the head"},
		{"a NUL between frames", V12, "DISCONNECT\n\n\x00\x00", `DISCONNECT ""`, "STOMP Frames@13: must start with a command"},
		{"a carriage return alone between frames", V12, "\r\n\rSEND\n", "", "STOMP Frames@2: must be followed by a line feed"},
		{"a carriage return alone in the command line", V12, "SE\rND\n\n\x00", "", "STOMP Frames@2: must be followed by a line feed"},
		{"TLS", 0, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", "STOMP Frames@0: is the peer speaking TLS, HTTP"},
		{"HTTP", 0, "GET /stomp HTTP/1.1\r\nHost: a\r\n\r\n", "", "STOMP Frames@3: is the peer speaking TLS, HTTP"},
		{"a command beyond ASCII", V12, "S\u00c9ND\n\n\x00", "", "STOMP Frames@1: must start with a command"},
		{"the fault's octet counts from the connection's first", V12, "\n\nDISCONNECT\n\n\x00\nSEND\nx\n", `DISCONNECT ""`, "STOMP Frames@21: no colon"},
	})
}

// TestHeartBeats holds that end-of-lines between frames are signs of life and nothing else.
func TestHeartBeats(t *testing.T) {
	runRows(t, []row{
		{"before the first frame", 0, "\n\r\nCONNECT\nhost:a\n\n\x00", `CONNECT host="a" ""`, ""},
		{"LF between frames", V12, "\n\n\nBEGIN\ntransaction:t\n\n\x00\n\n\n\nCOMMIT\ntransaction:t\n\n\x00\n",
			`BEGIN transaction="t" ""` + "\n" + `COMMIT transaction="t" ""`, ""},
		{"CRLF between frames", V12, "BEGIN\n\n\x00\r\n\r\nCOMMIT\n\n\x00\r\n", "BEGIN \"\"\nCOMMIT \"\"", ""},
		{"nothing else", V12, "\n\r\n\n", "", ""},
	})
	limits := DefaultLimits()
	d := NewDecoder(&limits)
	d.Feed([]byte("\n\n\r\n"))
	if err := d.Next(&Frame{}); err != ErrIncomplete || d.Buffered() != 0 || d.held != nil || d.in != nil {
		t.Errorf("after heart-beats: %v, %d octets buffered", err, d.Buffered())
	}
}

// TestSizeLimits holds that a frame at a limit passes, that one beyond is refused, and that it is
// refused as soon as that shows.
func TestSizeLimits(t *testing.T) {
	limits := Limits{Headers: 3, Line: 20, Head: 50, Body: 10}
	for _, r := range []row{
		{"headers at the limit", V12, "SEND\na:1\nb:2\nc:3\n\n\x00", `SEND a="1" b="2" c="3" ""`, ""},
		{"headers over the limit", V12, "SEND\na:1\nb:2\nc:3\nd:4\n", "", "Size Limits@17: more than the 3 header entries"},
		{"repeated headers count", V12, "SEND\na:1\na:1\na:1\na:1\n", "", "Size Limits@17: more than the 3 header entries"},
		{"a line at the limit", V12, "SEND\na:345678901234567890\n\n\x00", `SEND a="345678901234567890" ""`, ""},
		{"a line at the limit, with CRLF", V12, "SEND\na:345678901234567890\r\n\n\x00", `SEND a="345678901234567890" ""`, ""},
		{"a line over the limit, before it ends", V12, "SEND\na:3456789012345678901", "", "Size Limits@25: longer than the 20 octets"},
		{"a line over the limit that is all there", V12, "SEND\na:3456789012345678901\n\n\x00", "", "Size Limits@25: longer than the 20 octets"},
		{"a line over the limit by a carriage return", V12, "SEND\na:345678901234567890\r\r\n\n", "", "Size Limits@25: longer than the 20 octets"},
		{"a line of escapes counts as sent", V12, "SEND\na:" + `\c\c\c\c\c\c\c\c\c\c` + "\n\n\x00", "", "Size Limits@25: longer than the 20 octets"},
		{"a command line over the limit", V12, "ABCDEFGHIJKLMNOPQRSTU", "", "Size Limits@20: command line is longer than the 20 octets"},
		{"a command line at the limit", V12, "ABCDEFGHIJKLMNOPQRST\r\n\n", `ABCDEFGHIJKLMNOPQRST ""`, ""},
		{"a NUL beyond the line's limit", V12, "SEND\na:345678901234567890x\x00", "", "Size Limits@25: longer than the 20 octets"},
		{"a NUL just beyond the line", V12, "SEND\na:345678901234567890\x00", "", "STOMP Frames@25: a NUL"},
		{"a body at the limit", V12, "SEND\n\n0123456789\x00", `SEND "0123456789"`, ""},
		{"a body over the limit", V12, "SEND\n\n0123456789x", "", "Size Limits@6: longer than the 10 octets"},
		{"a content-length at the limit", V12, "SEND\ncontent-length:10\n\n0123456789\x00", `SEND content-length="10" "0123456789"`, ""},
		{"a content-length over the limit, at the head", V12, "SEND\ncontent-length:11\n\n", "", "Size Limits@24: longer than the 10 octets"},
		{"a content-length beyond any integer", V12, "SEND\ncontent-length:99999\n\n", "", "Size Limits@27: longer than the 10 octets"},
		{"a body of 1.0 that is ignored is bounded too", V10, "SUBSCRIBE\n\n0123456789x", "", "Size Limits@11: longer than the 10 octets"},
	} {
		t.Run(r.rule, func(t *testing.T) { r.run(t, limits) })
	}

	t.Run("a head at the limit, and over it", func(t *testing.T) {
		head := "SEND\na:345678901234567890\nb:345678901234567\n\n"
		limits.Head = len(head)
		row{"", V12, head + "x\x00", `SEND a="345678901234567890" b="345678901234567" "x"`, ""}.run(t, limits)
		limits.Head--
		row{"", V12, head + "x\x00", "", "Size Limits@44: more than the 44 octets"}.run(t, limits)
	})
	t.Run("a content-length of many digits", func(t *testing.T) {
		wire := "SEND\ncontent-length:" + strings.Repeat("9", 400) + "\n\n"
		row{"", V12, wire, "", "Size Limits@422: longer than the 65536 octets"}.run(t, DefaultLimits())
	})
	t.Run("limits of nothing", func(t *testing.T) {
		row{"", V12, "SEND\n\n\x00", "", "Size Limits@0: 0 octets"}.run(t, Limits{})
	})
}
