package gateway_test

import (
	"fmt"
	"strings"
	"testing"
)

// Subscription ids and receipts are written back as their version writes them.
func TestValueEncodingOfAnswers(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		for _, test := range []struct{ version, value string }{
			{"1.0", `a:b\n\`},
			{"1.1", `a\cb\n\\`},
			{"1.2", `a\cb\n\\\r`},
			{"1.2", " padded "},
			{"1.2", "\u00fc"},
		} {
			c := dial(n).connectAs(test.version)
			c.send("SUBSCRIBE\nid:" + test.value + "\ndestination:/topic/a\nreceipt:" + test.value + "\n\n^@")
			c.expect("RECEIPT", "receipt-id:"+test.value)
			c.send("SEND\ndestination:/topic/a\n\nx^@")
			c.expect("MESSAGE", "subscription:"+test.value)
			c.send("DISCONNECT\nreceipt:" + test.value + "\n\n^@")
			c.expect("RECEIPT", "receipt-id:"+test.value)
			c.wantClosed()
		}
	})
}

// "Repeated Header Entries": the first counts, and subscribers see all.
func TestRepeatedHeaderEntries(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n).connect()
		c.send("SUBSCRIBE\nid:1\nid:2\ndestination:/topic/a\ndestination:/topic/b\nack:auto\nack:nonsense\nreceipt:r1\nreceipt:r2\n\n^@")
		c.expect("RECEIPT", "receipt-id:r1")
		c.send("SEND\ndestination:/topic/a\ndestination:/topic/b\nfoo:World\nfoo:Hello\ncontent-type:text/a\ncontent-type:text/b\n" +
			"content-length:2\ncontent-length:1\n\nab^@")
		frame := c.expect("MESSAGE", "subscription:1", "destination:/topic/a", "ab")
		if !strings.Contains(frame, "\nfoo:World\nfoo:Hello\ncontent-type:text/a\ncontent-type:text/b\ncontent-length:2\n\n") {
			t.Errorf("got %q", frame)
		}
		c.wantAlive()
	})
}

// "Header content-length", "Header content-type", "Body"
func TestBody(t *testing.T) {
	eachTransport(t, func(t *testing.T, dial func(*node) *client) {
		n := start(t)
		c := dial(n).connect()
		c.subscribe("0", "/topic/a")
		for _, test := range []struct{ name, header, body, wantType string }{
			{"text", "content-type:text/plain\n", "hello", "text/plain"},
			{"content-type as it was sent", "content-type:application/json;charset=UTF-8;q=\"x\"\n", "{}", "application/json;charset=UTF-8;q=\"x\""},
			{"without a content-type", "", "hello", ""},
			{"empty", "", "", ""},
			{"empty with content-length", "content-length:0\n", "", ""},
			{"end-of-lines", "", "\n\r\n\n", ""},
			{"NULs", "content-length:5\n", "\x00a\x00b\x00", ""},
			{"UTF-8", "content-length:7\n", "\u20ac\U0001f600", ""},
			{"like a header", "", "a:b\n\nMESSAGE\n", ""},
		} {
			t.Run(test.name, func(t *testing.T) {
				c.send("SEND\ndestination:/topic/a\n" + test.header + "\n" + test.body + "^@")
				frame := c.expect("MESSAGE", fmt.Sprintf("content-length:%d", len(test.body)))
				head, body, _ := strings.Cut(frame, "\n\n")
				if body != test.body {
					t.Errorf("got %q, want %q", body, test.body)
				}
				if _, rest, ok := strings.Cut(head+"\n", "\ncontent-type:"); ok != (test.wantType != "") || ok && !strings.HasPrefix(rest, test.wantType+"\n") {
					t.Errorf("got %q, want the content-type %q", head, test.wantType)
				}
			})
		}
	})
}

// A body that is no text goes through as it is, between the transports too.
func TestBinaryBody(t *testing.T) {
	n := start(t)
	web, tcp := n.upgrade(t), n.dialTCP(t).connect()
	web.write(frame(text, "CONNECT\naccept-version:1.2\n\n\x00"))
	web.wantMessage("CONNECTED\n")
	web.write(frame(text, "SUBSCRIBE\nid:0\ndestination:/topic/a\nreceipt:r\n\n\x00"))
	web.wantMessage("RECEIPT\n")
	tcp.subscribe("0", "/topic/a")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	web.write(frame(binaryMsg, "SEND\ndestination:/topic/a\ncontent-length:256\n\n"+string(all)+"\x00"))
	if got := tcp.expect("MESSAGE"); !strings.HasSuffix(got, "\n\n"+string(all)) {
		t.Errorf("over TCP: %q", got)
	}
	if first, got, err := web.read(); err != nil || first != binaryMsg || !strings.HasSuffix(got, "\n\n"+string(all)+"\x00") {
		t.Errorf("over WebSocket: %#x %q %v", first, got, err)
	}
}
