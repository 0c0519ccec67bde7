package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

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

// connectAs opens a session of a version, with more header lines.
func (c *client) connectAs(version string, header ...string) *client {
	c.t.Helper()
	c.send("CONNECT\naccept-version:" + version + "\nhost:test\n" + strings.Join(append(header, ""), "\n") + "\n^@")
	c.expect("CONNECTED", "version:"+version)
	return c
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

// A fault ends the session: what it had asked for before is done, what follows is not.
func TestFaultIsTheEnd(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		reader := dial(n).connect()
		reader.subscribe("0", "/topic/a")
		c := dial(n).connect()
		c.send("SEND\ndestination:/topic/a\n\nbefore^@WHAT\n\n^@SEND\ndestination:/topic/a\n\nafter^@")
		if frame := c.expect("ERROR"); strings.Contains(frame, "receipt-id") {
			t.Errorf("nobody asked for a receipt: %q", frame)
		}
		c.wantClosed()
		reader.expect("MESSAGE", "before")
		reader.wantAlive()
		if n := len(n.sessions.Sessions()); n != 1 {
			t.Errorf("the registry has %d sessions", n)
		}
	})
}

// "Size Limits": whatever passes one gets an ERROR that names it, and the connection closes.
func TestSizeLimits(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t, gateway.WithLimits(gateway.Limits{Message: 1000, Outbound: 10_000, Connections: 1000, ConnectTimeout: patience}))
		reader := dial(n).connect()
		reader.subscribe("0", "/topic/a")
		fits := []string{
			"SEND\ndestination:/topic/a\n\n" + strings.Repeat("x", 1000) + "^@",
			"SEND\ndestination:/topic/a\ncontent-length:1000\n\n" + strings.Repeat("x", 1000) + "^@",
			"SEND\ndestination:/topic/a\n" + strings.Repeat("a:b\n", 63) + "\n^@",
		}
		c := dial(n).connect()
		for _, frame := range fits {
			c.send(frame)
			reader.expect("MESSAGE")
		}
		c.wantAlive()
		for _, test := range []struct{ name, frame, message string }{
			{"body", "SEND\ndestination:/topic/a\n\n" + strings.Repeat("x", 1001) + "^@", "the body is longer than the 1000 octets allowed"},
			{"body that is announced", "SEND\ndestination:/topic/a\nreceipt:r\ncontent-length:1001\n\n", "the body is longer than the 1000 octets allowed"},
			{"body of any length", "SEND\ndestination:/topic/a\ncontent-length:99999999999999999999\n\n", "the body is longer than the 1000 octets allowed"},
			{"headers", "SEND\ndestination:/topic/a\n" + strings.Repeat("a:b\n", 64) + "\n^@", "the frame has more than the 64 header entries allowed"},
			{"header line", "SEND\ndestination:/topic/a\nfoo:" + strings.Repeat("x", 8<<10), "a header line is longer than the 8192 octets allowed"},
			{"header lines together", "SEND\ndestination:/topic/a\n" + strings.Repeat("foo:"+strings.Repeat("x", 8000)+"\n", 5), "the headers take more than the 32768 octets allowed"},
			{"command", strings.Repeat("X", 9000), "the command line is longer than the 8192 octets allowed"},
		} {
			t.Run(test.name, func(t *testing.T) {
				c := dial(n).connect()
				c.send(test.frame)
				c.wantFault(test.message)
			})
		}
		reader.wantAlive()
	})
}

// "Header receipt", "RECEIPT": for every kind of client frame.
func TestReceipts(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		for _, version := range []string{"1.0", "1.1", "1.2"} {
			t.Run(version, func(t *testing.T) {
				c := dial(n).connectAs(version)
				asked := 0
				receipt := func(frame string) {
					t.Helper()
					asked++
					c.send(strings.Replace(frame, "\n\n", fmt.Sprintf("\nreceipt:%d\n\n", asked), 1))
					if got, want := c.next(), fmt.Sprintf("RECEIPT\nreceipt-id:%d\n\n", asked); got != want {
						t.Fatalf("%q: got %q, want %q", frame, got, want)
					}
				}
				receipt("SUBSCRIBE\nid:s\ndestination:/topic/" + version + "\nack:client\n\n^@")
				c.send("SEND\ndestination:/topic/" + version + "\n\nx^@")
				message := c.expect("MESSAGE")
				id := "message-id:" + header(t, message, "message-id") + "\nsubscription:s"
				if version == "1.2" {
					id = "id:" + header(t, message, "ack")
				}
				receipt("ACK\n" + id + "\n\n^@")
				if version != "1.0" {
					receipt("NACK\n" + id + "\n\n^@")
				}
				receipt("UNSUBSCRIBE\nid:s\n\n^@")
				receipt("SEND\ndestination:/topic/x\n\nx^@")
				receipt("BEGIN\ntransaction:t\n\n^@")
				receipt("ACK\ntransaction:t\n" + id + "\n\n^@")
				receipt("COMMIT\ntransaction:t\n\n^@")
				receipt("BEGIN\ntransaction:t\n\n^@")
				receipt("ABORT\ntransaction:t\n\n^@")
				receipt("DISCONNECT\n\n^@")
				c.wantClosed()
			})
		}
	})
}

// "Connection Lingering", "DISCONNECT": a client may also just go, and what it sent counts.
func TestClientGoes(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		reader := dial(n).connect()
		reader.subscribe("0", "/topic/a")
		c := dial(n).connect()
		c.send(strings.Repeat("SEND\ndestination:/topic/a\n\nx^@", 100))
		c.conn.Close()
		for range 100 {
			reader.expect("MESSAGE", "x")
		}
	})
}

// Clients in PHP answer a MESSAGE with an ACK that has all its headers, content-length too.
func TestAckWithTheHeadersOfItsMessage(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		c := dial(start(t))
		c.send("CONNECT\n\n^@")
		c.expect("CONNECTED", "version:1.0")
		c.send("SUBSCRIBE\ndestination:/topic/a\nack:client\ncontent-length:7\nreceipt:s\n\n^@")
		c.expect("RECEIPT", "receipt-id:s")
		c.send("SEND\ndestination:/topic/a\n\nhello^@")
		_, headers, _ := strings.Cut(c.expect("MESSAGE", "content-length:5"), "\n")
		headers, _, _ = strings.Cut(headers, "\n\n")
		c.send("ACK\n" + headers + "\nreceipt:1\n\n^@SEND\ndestination:/topic/b\nreceipt:2\n\n^@")
		c.expect("RECEIPT", "receipt-id:1")
		c.expect("RECEIPT", "receipt-id:2")
	})
}

func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t, connectWithin(200*time.Millisecond))
		c := dial(n)
		c.send("\n\nCONNECT\naccept-ver")
		c.wantFault("no CONNECT came within 200ms")
		if s, ok := c.conn.(*sock); ok && s.end != `c[1008,"no CONNECT"]` {
			t.Errorf("closed with %s", s.end)
		}
	})
}
