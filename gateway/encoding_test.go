package gateway_test

import (
	"fmt"
	"strings"
	"testing"
)

// "Value Encoding": what a header means is the same for subscribers of every version, as far as
// their version can say it.
func TestValueEncoding(t *testing.T) {
	n := start(t)
	const all = `\n|\r|\c|\\` // in the escapes of 1.2
	readers := map[string]*client{}
	for _, version := range []string{"1.0", "1.1", "1.2"} {
		c := n.dialTCP(t).connectAs(version)
		c.send("SUBSCRIBE\nid:s\ndestination:/topic/a\nreceipt:s\n\n^@")
		c.expect("RECEIPT", "receipt-id:s")
		readers[version] = c
	}
	for _, test := range []struct {
		name, version, header string
		want                  map[string]string // by version; empty when it can't be said
	}{
		{"plain", "1.2", "foo:bar", map[string]string{"1.0": "foo:bar", "1.1": "foo:bar", "1.2": "foo:bar"}},
		{"colon in a value of 1.0", "1.0", "foo:a:b", map[string]string{"1.0": "foo:a:b", "1.1": `foo:a\cb`, "1.2": `foo:a\cb`}},
		{"colon in a value of 1.1, raw", "1.1", "foo:a:b", map[string]string{"1.0": "foo:a:b", "1.1": `foo:a\cb`, "1.2": `foo:a\cb`}},
		{"colon in a value of 1.2", "1.2", `foo:a\cb`, map[string]string{"1.0": "foo:a:b", "1.1": `foo:a\cb`, "1.2": `foo:a\cb`}},
		{"backslash of 1.0", "1.0", `foo:a\nb\`, map[string]string{"1.0": `foo:a\nb\`, "1.1": `foo:a\\nb\\`, "1.2": `foo:a\\nb\\`}},
		{"backslash of 1.1", "1.1", `foo:a\\b`, map[string]string{"1.0": `foo:a\b`, "1.1": `foo:a\\b`, "1.2": `foo:a\\b`}},
		{"line feed of 1.1", "1.1", `foo:a\nb`, map[string]string{"1.0": "", "1.1": `foo:a\nb`, "1.2": `foo:a\nb`}},
		{"carriage return of 1.2", "1.2", `foo:a\rb`, map[string]string{"1.0": "foo:a\rb", "1.1": "foo:a\rb", "1.2": `foo:a\rb`}},
		{"carriage return of 1.1, raw", "1.1", "foo:a\rb", map[string]string{"1.0": "foo:a\rb", "1.1": "foo:a\rb", "1.2": `foo:a\rb`}},
		{"carriage return at the end", "1.2", `foo:a\r`, map[string]string{"1.0": "", "1.1": "", "1.2": `foo:a\r`}},
		{"all", "1.2", "foo:" + all, map[string]string{"1.0": "", "1.1": "foo:\\n|\r|\\c|\\\\", "1.2": "foo:" + all}},
		{"in the name", "1.2", `f\\o\c:x`, map[string]string{"1.0": "", "1.1": `f\\o\c:x`, "1.2": `f\\o\c:x`}},
		{"padding of 1.0 is trimmed", "1.0", "foo: \tbar  ", map[string]string{"1.0": "foo:bar", "1.1": "foo:bar", "1.2": "foo:bar"}},
		{"padding of 1.1 stays", "1.1", "foo: bar ", map[string]string{"1.0": "foo: bar ", "1.1": "foo: bar ", "1.2": "foo: bar "}},
		{"padding of 1.2 stays", "1.2", "foo: bar ", map[string]string{"1.0": "foo: bar ", "1.1": "foo: bar ", "1.2": "foo: bar "}},
		{"empty", "1.2", "foo:", map[string]string{"1.0": "foo:", "1.1": "foo:", "1.2": "foo:"}},
		{"UTF-8", "1.2", "f\u00f6o:\u20ac", map[string]string{"1.0": "f\u00f6o:\u20ac", "1.1": "f\u00f6o:\u20ac", "1.2": "f\u00f6o:\u20ac"}},
		{"not UTF-8, of 1.0", "1.0", "foo:\xff", map[string]string{"1.0": "foo:\xff", "1.1": "", "1.2": ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			writer := n.dialTCP(t).connectAs(test.version)
			writer.send("SEND\ndestination:/topic/a\n" + test.header + "\nlast:1\n\nbody^@")
			for version, c := range readers {
				frame := c.expect("MESSAGE", "subscription:s", "destination:/topic/a", "body")
				_, rest, _ := strings.Cut(frame, "\nmessage-id:")
				_, rest, _ = strings.Cut(rest, "\n")
				got, _, ok := strings.Cut(rest, "last:1\n")
				if want := test.want[version]; !ok || strings.TrimSuffix(got, "\n") != want {
					t.Errorf("a subscriber of %s got %q, want %q", version, got, want)
				}
			}
		})
	}
}

// Subscription ids and receipts are written back as their version writes them.
func TestValueEncodingOfAnswers(t *testing.T) {
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
