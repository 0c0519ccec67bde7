package stomp

import (
	"bytes"
	"slices"
	"testing"
)

// entries makes a header of names and values by turns.
func entries(pairs ...string) (h Header) {
	for pair := range slices.Chunk(pairs, 2) {
		h = append(h, Entry{Name: pair[0], Value: []byte(pair[1])})
	}
	return h
}

// TestAppendFrame holds the lines that frames are written in, and content-length.
func TestAppendFrame(t *testing.T) {
	for _, test := range []struct {
		rule  string
		frame Frame
		want  string
	}{
		{"no header, no body", Frame{Command: CommandReceipt}, "RECEIPT\n\n\x00"},
		{"entries in order, repeated ones too", Frame{Command: CommandReceipt, Header: entries("b", "1", "a", "2", "b", "3")},
			"RECEIPT\nb:1\na:2\nb:3\n\n\x00"},
		{"a body has a content-length", Frame{CommandError, entries("message", "no"), []byte("b\x00dy")},
			"ERROR\nmessage:no\ncontent-length:4\n\nb\x00dy\x00"},
		{"a frame that has no body gets none", Frame{CommandConnected, entries("content-length", "3", "a", "b"), []byte("x\x00y")}, "CONNECTED\na:b\n\n\x00"},
		{"a MESSAGE has one without a body", Frame{Command: CommandMessage}, "MESSAGE\ncontent-length:0\n\n\x00"},
		{"those of the header are replaced", Frame{CommandSend, entries("content-length", "99", "a", "b", "content-length", "x"), []byte("xy")},
			"SEND\na:b\ncontent-length:2\n\nxy\x00"},
		{"those of the header go where there is no body", Frame{Command: CommandError, Header: entries("content-length", "99")},
			"ERROR\n\n\x00"},
	} {
		t.Run(test.rule, func(t *testing.T) {
			if got := AppendFrame([]byte("before"), V12, &test.frame); string(got) != "before"+test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestAppendEntry holds "Value Encoding" of what is sent, and that no value can add a line.
func TestAppendEntry(t *testing.T) {
	const left = "" // the entry is left out
	for _, test := range []struct {
		rule          string
		name, value   string
		v0            string // CONNECTED
		v10, v11, v12 string
		plain         bool
	}{
		{rule: "plain", name: "a", value: "b c", v0: "a:b c\n", v10: "a:b c\n", v11: "a:b c\n", v12: "a:b c\n", plain: true},
		{rule: "empty value", name: "a", value: "", v0: "a:\n", v10: "a:\n", v11: "a:\n", v12: "a:\n", plain: true},
		{rule: "UTF-8", name: "\u00fc", value: "\u65e5", v0: "\u00fc:\u65e5\n", v10: "\u00fc:\u65e5\n", v11: "\u00fc:\u65e5\n", v12: "\u00fc:\u65e5\n", plain: true},
		{rule: "colon", name: "a", value: "b:c", v0: "a:b:c\n", v10: "a:b:c\n", v11: `a:b\cc` + "\n", v12: `a:b\cc` + "\n"},
		{rule: "backslash", name: "a", value: `\n`, v0: `a:\n` + "\n", v10: `a:\n` + "\n", v11: `a:\\n` + "\n", v12: `a:\\n` + "\n"},
		{rule: "line feed", name: "a", value: "b\nc", v0: left, v10: left, v11: `a:b\nc` + "\n", v12: `a:b\nc` + "\n"},
		{rule: "carriage return", name: "a", value: "b\rc", v0: "a:b\rc\n", v10: "a:b\rc\n", v11: "a:b\rc\n", v12: `a:b\rc` + "\n"},
		{rule: "carriage return at the end", name: "a", value: "b\r", v0: left, v10: left, v11: left, v12: `a:b\r` + "\n"},
		{rule: "carriage return and padding at the end", name: "a", value: "b\r ", v0: "a:b\r \n", v10: left, v11: "a:b\r \n", v12: `a:b\r ` + "\n"},
		{rule: "colon in the name", name: "a:b", value: "c", v0: left, v10: left, v11: `a\cb:c` + "\n", v12: `a\cb:c` + "\n"},
		{rule: "line feed in the name", name: "a\nb", value: "c", v0: left, v10: left, v11: `a\nb:c` + "\n", v12: `a\nb:c` + "\n"},
		{rule: "carriage return at the name's end", name: "a\r", value: "c", v0: "a\r:c\n", v10: "a\r:c\n", v11: "a\r:c\n", v12: `a\r:c` + "\n"},
		{rule: "backslash in the name", name: `a\`, value: "c", v0: `a\:c` + "\n", v10: `a\:c` + "\n", v11: `a\\:c` + "\n", v12: `a\\:c` + "\n"},
		{rule: "NUL", name: "a", value: "b\x00", v0: left, v10: left, v11: left, v12: left},
		{rule: "NUL in the name", name: "a\x00", value: "b", v0: left, v10: left, v11: left, v12: left},
		{rule: "not UTF-8", name: "a", value: "\xe9", v0: "a:\xe9\n", v10: "a:\xe9\n", v11: left, v12: left},
		{rule: "name not UTF-8", name: "\xe9", value: "a", v0: "\xe9:a\n", v10: "\xe9:a\n", v11: left, v12: left},
		{rule: "no name", name: "", value: "a", v0: left, v10: left, v11: left, v12: left, plain: true},
	} {
		t.Run(test.rule, func(t *testing.T) {
			for v, want := range []string{test.v0, test.v10, test.v11, test.v12} {
				if got := AppendEntry(nil, Version(v), test.name, test.value); string(got) != want {
					t.Errorf("in %v: %q, want %q", Version(v), got, want)
				}
				if got := AppendEntry(nil, Version(v), test.name, []byte(test.value)); string(got) != want {
					t.Errorf("of octets, in %v: %q, want %q", Version(v), got, want)
				}
			}
			if got := Plain(test.name) && Plain([]byte(test.value)); got != test.plain {
				t.Errorf("plain: %v", got)
			}
		})
	}
}

// TestHandshakeEncoding holds that CONNECT, CONNECTED and STOMP are not escaped in any version, and
// that nothing gets a line into them all the same.
func TestHandshakeEncoding(t *testing.T) {
	for _, command := range []string{CommandConnect, CommandConnected, CommandStomp} {
		for v := Version(0); v <= V12; v++ {
			f := Frame{Command: command, Header: entries("a", `b:c\`, "d", "e\nadmin:yes", "f\ng", "h")}
			if got, want := string(AppendFrame(nil, v, &f)), command+"\n"+`a:b:c\`+"\n\n\x00"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
}

// TestPieces holds that a frame built of the pieces is what AppendFrame writes.
func TestPieces(t *testing.T) {
	f := Frame{CommandMessage, entries("subscription", "0", "destination", "/topic/a:b"), []byte("hi")}
	pieces := AppendCommand(nil, f.Command)
	for _, e := range f.Header {
		pieces = AppendEntry(pieces, V12, e.Name, e.Value)
	}
	pieces = AppendBody(pieces, f.Body)
	if whole := AppendFrame(nil, V12, &f); !bytes.Equal(pieces, whole) {
		t.Errorf("%q\nwhole %q", pieces, whole)
	}
}

// TestEncodeAllocs holds that writing into a buffer with room does not allocate.
func TestEncodeAllocs(t *testing.T) {
	f := Frame{CommandMessage, entries("destination", "/topic/a:b", "n", "\u65e5\u672c \u65e5\u672c \u65e5\u672c \u65e5\u672c \u65e5\u672c \u65e5\u672c"), []byte("hi")}
	dst := make([]byte, 0, 512)
	for _, v := range []Version{V10, V11, V12} {
		if n := testing.AllocsPerRun(100, func() {
			dst = AppendFrame(dst[:0], v, &f)
			dst = AppendEntry(dst, v, "name:", "a long value with a colon: \u65e5\u672c \u65e5\u672c \u65e5\u672c \u65e5\u672c")
		}); n != 0 {
			t.Errorf("%v: %v allocations", v, n)
		}
	}
}
