package stomp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestValueEncoding holds "Value Encoding" of 1.1 and 1.2, and what stands in for it in 1.0.
func TestValueEncoding(t *testing.T) {
	runRows(t, []row{
		{`1.2 has \r \n \c \\`, V12, "SEND\na:" + `\r\n\c\\` + "\n\n\x00", `SEND a="\r\n:\\" ""`, ""},
		{`1.1 has \n \c \\`, V11, "SEND\na:" + `\n\c\\` + "\n\n\x00", `SEND a="\n:\\" ""`, ""},
		{"1.0 has no escapes", V10, "SEND\na:" + `\r\n\c\\\t\` + "\n\n\x00", `SEND a="\\r\\n\\c\\\\\\t\\" ""`, ""},
		{"names are escaped too", V12, "SEND\n" + `a\cb\n\\c` + ":1\n\n\x00", `SEND a:b` + "\n" + `\c="1" ""`, ""},
		{"an escape is read once", V12, "SEND\na:" + `\\n\\\n` + "\n\n\x00", `SEND a="\\n\\\n" ""`, ""},
		{"the octets around escapes stay", V12, "SEND\na:" + `x\cy\cz` + "\n\n\x00", `SEND a="x:y:z" ""`, ""},
		{"an undefined escape is fatal", V12, "SEND\na:" + `b\t` + "\n\n\x00", "", `Value Encoding@8: undefined escape \t in the value of the header "a"; STOMP 1.2 has \r \n \c \\`},
		{"an undefined escape in a name is fatal", V12, "SEND\n" + `a\tb` + ":1\n\n\x00", "", `Value Encoding@6: undefined escape \t in the header name "a\\tb"`},
		{"an undefined escape beyond ASCII", V12, "SEND\na:" + `\日` + "\n\n\x00", "", `Value Encoding@7: undefined escape \日 in`},
		{"an undefined escape that can't be printed", V12, "SEND\na:\\\x1b[2J\n\n\x00", "", `Value Encoding@7: undefined escape \ and '\x1b' in the value`},
		{"an undefined escape in a long name", V12, "SEND\n" + strings.Repeat("n", 100) + `:\t` + "\n\n\x00", "",
			`Value Encoding@106: undefined escape \t in the value of the header "` + strings.Repeat("n", 40) + `";`},
		{"escapes are case sensitive", V12, "SEND\na:" + `\C` + "\n\n\x00", "", "Value Encoding@7: undefined escape"},
		{`1.1 has no \r`, V11, "SEND\na:" + `\r` + "\n\n\x00", "", `Value Encoding@7: STOMP 1.1 has \n \c \\`},
		{"a backslash at the end of a value", V12, "SEND\na:b" + `\` + "\n\n\x00", "", `Value Encoding@8: undefined escape \ and nothing in the value of the header "a";`},
		{"a backslash at the end of a value, with CRLF", V12, "SEND\na:b" + `\` + "\r\n\r\n\x00", "", "Value Encoding@8: undefined escape"},
		{"a backslash at the end of a name", V12, "SEND\na" + `\` + ":b\n\n\x00", "", "Value Encoding@6: undefined escape"},

		{"CONNECT is not escaped", 0, "CONNECT\nlogin:" + `a\cb\t\` + "\n\n\x00", `CONNECT login="a\\cb\\t\\" ""`, ""},
		{"STOMP is not escaped", 0, "STOMP\nlogin:" + `a\cb` + "\n\n\x00", `STOMP login="a\\cb" ""`, ""},
		{"CONNECTED is not escaped", V12, "CONNECTED\nserver:" + `a\cb` + "\n\n\x00", `CONNECTED server="a\\cb" ""`, ""},
		{"CONNECT is not escaped when it comes again", V12, "CONNECT\nlogin:" + `a\cb` + "\n\n\x00", `CONNECT login="a\\cb" ""`, ""},
		{"before negotiation nothing is escaped", 0, "SEND\na:" + `\t` + "\n\n\x00", `SEND a="\\t" ""`, ""},

		{"the first colon ends the name", V12, "SEND\na:b:c:\n\n\x00", `SEND a="b:c:" ""`, ""},
		{"the first colon ends the name in 1.0", V10, "SEND\na:b:c\n\n\x00", `SEND a="b:c" ""`, ""},
		{"1.2 never trims", V12, "SEND\n a : b\t \n\n\x00", `SEND  a =" b\t " ""`, ""},
		{"1.1 never trims", V11, "SEND\na: b \n\n\x00", `SEND a=" b " ""`, ""},
		{"1.0 trims values", V10, "SEND\ndestination: \t/queue/a\t \n\n\x00", `SEND destination="/queue/a" ""`, ""},
		{"1.0 trims values, with CRLF", V10, "SEND\r\ndestination: /queue/a \r\n\r\n\x00", `SEND destination="/queue/a" ""`, ""},
		{"CONNECT is never trimmed", 0, "CONNECT\npasscode: x \n\n\x00", `CONNECT passcode=" x " ""`, ""},

		{"UTF-8", V12, "SEND\nm\u00fc:\u65e5\u672c\n\n\x00", "SEND m\u00fc=\"\u65e5\u672c\" \"\"", ""},
		{"not UTF-8 in 1.2", V12, "SEND\na:b\xe9\n\n\x00", "", "Value Encoding@8: not UTF-8, as STOMP 1.2 requires"},
		{"not UTF-8 in 1.1", V11, "SEND\nb\xe9:a\n\n\x00", "", "Value Encoding@6: not UTF-8, as STOMP 1.1 requires"},
		{"UTF-8 cut short", V12, "SEND\na:\u00fc\xe2\x82\n\n\x00", "", "Value Encoding@9: not UTF-8"},
		{"1.0 has no rule for octets", V10, "SEND\na:\xe9\n\n\x00", `SEND a="\xe9" ""`, ""},

		{"a carriage return in a line of 1.2", V12, "SEND\na:b\rc\n\n\x00", "", `Value Encoding@8: it must be written \r`},
		{"two carriage returns at the end of a line of 1.2", V12, "SEND\na:b\r\r\n\n\x00", "", `Value Encoding@8: it must be written \r`},
		{"a carriage return in a line of 1.1", V11, "SEND\na:b\rc\n\n\x00", `SEND a="b\rc" ""`, ""},
		{"a carriage return in a line of 1.0", V10, "SEND\na:b\rc\n\n\x00", `SEND a="b\rc" ""`, ""},
		{"a carriage return in CONNECT", 0, "CONNECT\na:b\rc\n\n\x00", `CONNECT a="b\rc" ""`, ""},
		{"two carriage returns at the end of a line of 1.1", V11, "SEND\na:b\r\r\n\n\x00", "", "STOMP Frames@8: ends a header value"},
		{"two carriage returns at the end of a line of 1.0", V10, "SEND\na:b\r \r\n\n\x00", "", "STOMP Frames@9: ends a header value"},
	})
}

// TestBody holds "Body".
func TestBody(t *testing.T) {
	runRows(t, []row{
		{"SEND may have a body", V12, "SEND\n\nx\x00", `SEND "x"`, ""},
		{"MESSAGE may have a body", V12, "MESSAGE\n\nx\x00", `MESSAGE "x"`, ""},
		{"ERROR may have a body", V12, "ERROR\n\nx\x00", `ERROR "x"`, ""},
		{"any octets but NUL", V12, "SEND\n\n\xff\xfe\r\n\\\x00", `SEND "\xff\xfe\r\n\\"`, ""},
		{"1.0 ignores a body", V10, "SUBSCRIBE\ndestination:a\n\nx\x00", `SUBSCRIBE destination="a" "x"`, ""},
		{"before negotiation a body is ignored", 0, "CONNECT\n\nx\x00", `CONNECT "x"`, ""},
		{"1.0 ignores a body, whatever its length", V10, "SUBSCRIBE\ncontent-length:9\n\nx\x00", `SUBSCRIBE content-length="9" "x"`, ""},
		{"of no length, too", V10, "SUBSCRIBE\ncontent-length:9\n\n\x00BEGIN\n\n\x00", `SUBSCRIBE content-length="9" ""` + "\n" + `BEGIN ""`, ""},
	})
	const refused = "only SEND, MESSAGE and ERROR frames may have a body; in others, whatever content-length says, a NUL must follow the empty line"
	for _, command := range []string{
		CommandAbort, CommandAck, CommandBegin, CommandCommit, CommandConnect, CommandConnected, CommandDisconnect,
		CommandNack, CommandReceipt, CommandStomp, CommandSubscribe, CommandUnsubscribe,
	} {
		for _, v := range []Version{0, V10, V11, V12} {
			t.Run(command+" must not have a body in "+v.String(), func(t *testing.T) {
				limits := DefaultLimits()
				for _, head := range []string{command + "\n\n", command + "\ncontent-length:1\n\n", command + "\ncontent-length:70000\n\n"} {
					if v < V11 && !strings.Contains(head, "content-length") || v == V10 && command == CommandSubscribe {
						continue
					}
					for _, body := range []string{"x", "\n\x00", "SEND\ndestination:d\n\n\x00"} {
						row{"", v, head + body, "", fmt.Sprintf("Body@%d: %s", len(head), refused)}.run(t, limits)
					}
				}
				for _, length := range []string{"0", "5", "99999999999999999999", "-1", "x"} {
					row{"", v, command + "\ncontent-length:" + length + "\n\n\x00\nSEND\n\n\x00",
						fmt.Sprintf("%s content-length=%q \"\"\nSEND \"\"", command, length), ""}.run(t, limits)
				}
			})
		}
	}
}

// TestContentLength holds "Header content-length".
func TestContentLength(t *testing.T) {
	const wrong = "Header content-length@5: must be a number of octets"
	runRows(t, []row{
		{"NULs in the body", V12, "SEND\ncontent-length:5\n\na\x00b\x00c\x00", `SEND content-length="5" "a\x00b\x00c"`, ""},
		{"NULs in the body of 1.0", V10, "SEND\ncontent-length: 3\n\na\x00b\x00", `SEND content-length="3" "a\x00b"`, ""},
		{"without it the first NUL ends the frame", V12, "SEND\n\na\x00\nBEGIN\n\n\x00", "SEND \"a\"\nBEGIN \"\"", ""},
		{"a body of nothing", V12, "SEND\ncontent-length:0\n\n\x00", `SEND content-length="0" ""`, ""},
		{"leading zeros", V12, "SEND\ncontent-length:0002\n\nab\x00", `SEND content-length="0002" "ab"`, ""},
		{"the octets of the body, not its characters", V12, "SEND\ncontent-length:2\n\n\u00fc\x00", "SEND content-length=\"2\" \"\u00fc\"", ""},
		{"an unknown command does not wait for what it announces", V12, "OTHER\ncontent-length:3\n\n", `OTHER content-length="3" ""`, ""},
		{"nor must that be a number", V12, "OTHER\ncontent-length:x\n\n", `OTHER content-length="x" ""`, ""},
		{"the first one counts", V12, "SEND\ncontent-length:3\ncontent-length:x\n\na\x00b\x00",
			`SEND content-length="3" content-length="x" "a\x00b"`, ""},
		{"too small", V12, "SEND\ncontent-length:2\n\nabc\x00", "", "Header content-length@25: no NUL follows the body"},
		{"too great", V12, "SEND\ncontent-length:4\n\nabc\x00\n\n", "", "Header content-length@27: no NUL follows the body"},
		{"empty", V12, "SEND\ncontent-length:\n\n\x00", "", wrong},
		{"with a sign", V12, "SEND\ncontent-length:+1\n\na\x00", "", wrong},
		{"negative", V12, "SEND\ncontent-length:-1\n\na\x00", "", wrong},
		{"with a space", V12, "SEND\ncontent-length: 1\n\na\x00", "", wrong},
		{"with a space, in CONNECT, where it means nothing", 0, "CONNECT\ncontent-length: 0\n\n\x00", `CONNECT content-length=" 0" ""`, ""},
		{"hexadecimal", V12, "SEND\ncontent-length:0x1\n\na\x00", "", wrong},
		{"digits beyond ASCII", V12, "SEND\ncontent-length:\u0661\n\na\x00", "", wrong},
		{"a number and more", V12, "SEND\ncontent-length:1;\n\na\x00", "", wrong},
		{"spaces alone, in 1.0", V10, "SEND\ncontent-length: \n\na\x00", "", wrong},
	})
}

// TestRepeatedHeaderEntries holds "Repeated Header Entries".
func TestRepeatedHeaderEntries(t *testing.T) {
	runRows(t, []row{
		{"all are kept in order", V12, "MESSAGE\nfoo:World\nbar:x\nfoo:Hello\n\n\x00", `MESSAGE foo="World" bar="x" foo="Hello" ""`, ""},
	})
	h := Header{{"foo", []byte("World")}, {"empty", nil}, {"foo", []byte("Hello")}}
	if value, ok := h.Get("foo"); !ok || string(value) != "World" {
		t.Errorf("foo: %q %v, want the first", value, ok)
	}
	if value, ok := h.Get("empty"); !ok || len(value) != 0 {
		t.Errorf("empty: %q %v", value, ok)
	}
	if value, ok := h.Get("Foo"); ok {
		t.Errorf("Foo: %q, but names are case sensitive", value)
	}
}

// TestClone holds that a clone shares nothing with its frame, and that nothing in a frame can be
// appended to into its neighbour.
func TestClone(t *testing.T) {
	limits := DefaultLimits()
	wire := []byte("SEND\na:1\nunknown:2\n\nbody\x00SEND\n\n\x00")
	d := NewDecoder(&limits)
	d.SetVersion(V12)
	d.Feed(wire)
	var f Frame
	if err := d.Next(&f); err != nil {
		t.Fatal(err)
	}
	_ = append(f.Header[0].Value, "a value so long"...) // must go elsewhere
	_ = append(f.Body, "xxx"...)
	c := f.Clone()
	_ = append(c.Header[0].Value, "xxx"...)
	copy(wire, bytes.Repeat([]byte{'?'}, 25))
	const want = `SEND a="1" unknown="2" "body"`
	if got := show([]Frame{c}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := d.Next(&f); err != nil || f.Command != CommandSend || len(f.Header) != 0 {
		t.Errorf("the frame after it: %v %+v", err, f)
	}
	if got := show([]Frame{c}); got != want {
		t.Errorf("after the next frame: got %s, want %s", got, want)
	}
}

// TestNames holds that known names and commands are found as they stand, and that they and only
// they cost no allocation.
func TestNames(t *testing.T) {
	for _, name := range []string{
		"accept-version", "ack", "content-length", "content-type", "destination", "heart-beat", "host", "id", "login",
		"message", "message-id", "passcode", "receipt", "receipt-id", "selector", "server", "session", "subscription",
		"transaction", "version", "Authorization", "authorization", "client-request-code", "correlation-id", "expires",
		"persistent", "priority", "reply-to", "timestamp", "type", "user-name",
		"ABORT", "ACK", "BEGIN", "COMMIT", "CONNECT", "CONNECTED", "DISCONNECT", "ERROR", "MESSAGE", "NACK", "RECEIPT",
		"SEND", "STOMP", "SUBSCRIBE", "UNSUBSCRIBE",
	} {
		b := []byte(name)
		if got := known(b); got != name {
			t.Errorf("%s is found as %s", name, got)
		}
		if n := testing.AllocsPerRun(10, func() { known(b) }); n != 0 {
			t.Errorf("%s costs %v allocations", name, n)
		}
	}
	for _, name := range []string{"Destination", "x-unknown", "send", ""} {
		if got := known([]byte(name)); got != name {
			t.Errorf("%s is found as %s", name, got)
		}
	}
}
