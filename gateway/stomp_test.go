package gateway_test

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway"
)

// frameSize is the size of the frame that b begins with, NUL included, 0 if it does not end in b.
func frameSize(b []byte) int {
	head := bytes.Index(b, []byte("\n\n"))
	if head < 0 {
		return bytes.IndexByte(b, 0) + 1
	}
	size := 0
	if _, rest, ok := strings.Cut(string(b[:head+1]), "\ncontent-length:"); ok {
		digits, _, _ := strings.Cut(rest, "\n")
		n, err := strconv.Atoi(digits)
		if err != nil {
			panic(err)
		}
		size = head + len("\n\n") + n
	}
	if size > len(b) {
		return 0
	}
	if nul := bytes.IndexByte(b[size:], 0); nul >= 0 {
		return size + nul + 1
	}
	return 0
}

// wantClosed checks that nothing more comes before the other side closes.
func (c *client) wantClosed() {
	c.t.Helper()
	frame, err := c.read()
	if err == nil {
		c.t.Fatalf("got %q, want the end", frame)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("not closed: %v", err)
	}
}

// wantFault checks that an ERROR with that message comes, and then the end.
func (c *client) wantFault(message string, lines ...string) string {
	c.t.Helper()
	frame := c.expect("ERROR", append(lines, "message:"+message)...)
	c.wantClosed()
	return frame
}

// wantAlive checks that the session answers, and that nothing else has come.
func (c *client) wantAlive() {
	c.t.Helper()
	c.send("BEGIN\ntransaction:alive\nreceipt:alive\n\n^@ABORT\ntransaction:alive\n\n^@")
	c.expect("RECEIPT", "receipt-id:alive")
}

// header returns the value of a header of a frame, without escapes.
func header(t testing.TB, frame, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(frame, "\n"+name+":")
	if !ok {
		t.Fatalf("no %s in %q", name, frame)
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// A fault ends the session: what it had asked for before is done, what follows is not. Which those are, and what
// is said of each: the session's TestFaults.
func TestFaultIsTheEnd(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t, gateway.WithLimits(gateway.Limits{Message: 1000, Outbound: 10_000, Connections: 1000, ConnectTimeout: patience}))
		reader := dial(n).connect()
		reader.subscribe("0", "/topic/a")
		for fault, message := range map[string]string{
			"WHAT\n\n^@": "unknown command: STOMP 1.2 clients send SEND, SUBSCRIBE, UNSUBSCRIBE, BEGIN, COMMIT, ABORT, ACK, NACK and DISCONNECT",
			"SEND\ndestination:/topic/a\ncontent-length:1001\n\n": "the body is longer than the 1000 octets allowed",
		} {
			c := dial(n).connect()
			c.send("SEND\ndestination:/topic/a\n\n" + strings.Repeat("x", 1000) + "^@" + fault + "SEND\ndestination:/topic/a\n\nafter^@")
			c.wantFault(strings.ReplaceAll(message, ":", `\c`))
			reader.expect("MESSAGE", strings.Repeat("x", 1000))
		}
		reader.wantAlive()
		if n := len(n.sessions.Sessions()); n != 1 {
			t.Errorf("the registry has %d sessions", n)
		}
	})
}
