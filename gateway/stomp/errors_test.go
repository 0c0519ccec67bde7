package stomp

import (
	"slices"
	"strings"
	"testing"
)

// TestSpent holds that a fault is the end, whatever follows it, and what is left to answer it.
func TestSpent(t *testing.T) {
	limits := DefaultLimits()
	for _, test := range []struct {
		name    string
		version Version
		wire    string
		receipt string
	}{
		{"receipt before the fault", V12, "SEND\nreceipt:" + `a\cb\\` + "\nno colon\n\n\x00SEND\n\n\x00", `a:b\`},
		{"receipt with CRLF", V12, "SEND\r\nreceipt:77\r\nno colon\r\n", "77"},
		{"receipt of 1.0", V10, "SEND\nreceipt: a\\c \nno colon\n\n\x00", `a\c`},
		{"first receipt counts", V12, "SEND\nreceipt:1\nreceipt:2\nno colon\n", "1"},
		{"receipt and a body that is too long", V12, "SEND\nreceipt:1\ncontent-length:99999999\n\n", "1"},
		{"receipt and a body that must not be", V12, "BEGIN\nreceipt:1\n\nx\x00", "1"},
		{"receipt with a fault of its own", V12, "SEND\nreceipt:" + `\t` + "\n\n\x00", ""},
		{"no receipt", V12, "SEND\na:b\nno colon\n\n\x00", ""},
		{"receipt of the frame before", V12, "SEND\nreceipt:1\n\n\x00SEND\nno colon\n\n\x00", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, size := range []int{1, 5, len(test.wire)} {
				pieces := slices.Collect(slices.Chunk([]byte(test.wire), size))
				if o := decode(test.version, limits, pieces...); o.err == ErrIncomplete || string(o.receipt) != test.receipt {
					t.Errorf("pieces of %d: receipt %q, want %q (%v)", size, o.receipt, test.receipt, o.err)
				}
			}
		})
	}

	d := NewDecoder(&limits)
	if d.Receipt() != nil {
		t.Error("a receipt without a fault")
	}
	d.Feed([]byte("SEND\nno colon\n\n\x00SEND\n\n\x00"))
	err := d.Next(&Frame{})
	d.Feed([]byte("SEND\n\n\x00"))
	if again := d.Next(&Frame{}); again != err || d.Buffered() != 0 {
		t.Errorf("%v, then %v with %d octets buffered", err, again, d.Buffered())
	}
	if want := "stomp: a header line has no colon; it must read name:value (STOMP Frames, at octet 5)"; err.Error() != want {
		t.Errorf("error %q", err)
	}
}

// TestNoContentInFaults holds that a fault can be logged: nothing the peer sent is in it.
func TestNoContentInFaults(t *testing.T) {
	limits := Limits{Headers: 4, Line: 64, Head: 128, Body: 16}
	const secret = "hunter2"
	for _, wire := range []string{
		secret + "\x01\n",
		"SEND\n" + secret + "\n",
		"SEND\n:" + secret + "\n",
		"SEND\n" + secret + "\x00",
		"SEND\na:" + secret + `\` + secret + "\n",
		"SEND\na:" + secret + "\xff\n",
		"SEND\na:" + secret + "\r\r\n",
		"SEND\na:" + strings.Repeat(secret, 20),
		"SEND\ncontent-length:" + secret + "\n",
		"SEND\n\n" + strings.Repeat(secret, 20),
		"BEGIN\n\n" + secret,
	} {
		o := decode(V12, limits, []byte(wire))
		if o.err == ErrIncomplete || strings.Contains(o.err.Error(), secret) {
			t.Errorf("%q: %v", wire, o.err)
		}
	}
}
