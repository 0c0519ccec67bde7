package router

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// pack returns e as a subscription of its own receives it.
func pack(e bus.Envelope, s Subscription) string {
	m := NewMessage(e, e.Destination, e.Destination, "node", 7)
	var p packer
	return string(p.pack(m, "", &s))
}

// TestMessage holds MESSAGE as each version writes it.
func TestMessage(t *testing.T) {
	plain := bus.Envelope{
		Destination: "/topic/a",
		Headers:     []bus.Header{{Name: "content-type", Value: "text/plain"}, {Name: "foo", Value: "1"}, {Name: "foo", Value: "2"}, {Name: "empty"}},
		Body:        []byte("hello"),
	}
	escaped := bus.Envelope{
		Destination: `/topic/a:b\c`,
		Headers:     []bus.Header{{Name: "colon", Value: "a:b"}, {Name: "lf", Value: "a\nb"}, {Name: "cr", Value: "a\rb"}, {Name: "back", Value: `a\b`}, {Name: "n:a", Value: "x"}},
		Body:        []byte("a\x00b:\n"),
	}
	const plainRest = "destination:/topic/a\nmessage-id:node-7\ncontent-type:text/plain\nfoo:1\nfoo:2\nempty:\ncontent-length:5\n\nhello\x00"
	for _, test := range []struct {
		name string
		e    bus.Envelope
		s    Subscription
		want string
	}{
		{"1.0 without an id", plain, Subscription{Version: stomp.V10}, "MESSAGE\n" + plainRest},
		{"1.0 with an id", plain, Subscription{Version: stomp.V10, ID: "s"}, "MESSAGE\nsubscription:s\n" + plainRest},
		{"1.1", plain, Subscription{Version: stomp.V11, ID: "s:"}, "MESSAGE\nsubscription:s\\c\n" + plainRest},
		{"1.2", plain, Subscription{Version: stomp.V12, ID: "s\r"}, "MESSAGE\nsubscription:s\\r\n" + plainRest},
		{"1.2 with ack", plain, Subscription{Version: stomp.V12, ID: "s/:", WantsAck: true}, "MESSAGE\nsubscription:s/\\c\nack:node-7/s/\\c\n" + plainRest},
		{"1.0 escapes nothing", escaped, Subscription{Version: stomp.V10, ID: "s"},
			"MESSAGE\nsubscription:s\ndestination:/topic/a:b\\c\nmessage-id:node-7\ncolon:a:b\ncr:a\rb\nback:a\\b\ncontent-length:5\n\na\x00b:\n\x00"},
		{"1.1 escapes all but CR", escaped, Subscription{Version: stomp.V11, ID: "s"},
			"MESSAGE\nsubscription:s\ndestination:/topic/a\\cb\\\\c\nmessage-id:node-7\ncolon:a\\cb\nlf:a\\nb\ncr:a\rb\nback:a\\\\b\nn\\ca:x\ncontent-length:5\n\na\x00b:\n\x00"},
		{"1.2 escapes all", escaped, Subscription{Version: stomp.V12, ID: "s"},
			"MESSAGE\nsubscription:s\ndestination:/topic/a\\cb\\\\c\nmessage-id:node-7\ncolon:a\\cb\nlf:a\\nb\ncr:a\\rb\nback:a\\\\b\nn\\ca:x\ncontent-length:5\n\na\x00b:\n\x00"},
		{"a header alone to escape, 1.0", bus.Envelope{Destination: "/topic/a", Headers: escaped.Headers[:1]}, Subscription{Version: stomp.V10},
			"MESSAGE\ndestination:/topic/a\nmessage-id:node-7\ncolon:a:b\ncontent-length:0\n\n\x00"},
		{"a header alone to escape, 1.2", bus.Envelope{Destination: "/topic/a", Headers: escaped.Headers[:1]}, Subscription{Version: stomp.V12},
			"MESSAGE\ndestination:/topic/a\nmessage-id:node-7\ncolon:a\\cb\ncontent-length:0\n\n\x00"},
		{"no body", bus.Envelope{Destination: "/topic/a"}, Subscription{Version: stomp.V12, ID: "s"},
			"MESSAGE\nsubscription:s\ndestination:/topic/a\nmessage-id:node-7\ncontent-length:0\n\n\x00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.s.Framing = bare{}
			if got := pack(test.e, test.s); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// What only the server can know does not come from the bus, where others publish too. A foreign
// content-length would even move the end of the frame.
func TestHeadersOfOurOwn(t *testing.T) {
	e := bus.Envelope{Destination: "/topic/a", Body: []byte("hello")}
	for _, name := range []string{"destination", "message-id", "subscription", "ack", "content-length", "x-position", "X-Position", "X-POSITION",
		"stomp-member", "Stomp-Member", "STOMP-X", "ſtomp-member", " stomp-member"} {
		e.Headers = append(e.Headers, bus.Header{Name: name, Value: "1"})
	}
	e.Headers = append(e.Headers, bus.Header{Name: "own", Value: "kept"})
	for v := stomp.V10; v <= stomp.V12; v++ {
		want := "MESSAGE\ndestination:/topic/a\nmessage-id:node-7\nown:kept\ncontent-length:5\n\nhello\x00"
		if got := pack(e, Subscription{Version: v, Framing: bare{}}); got != want {
			t.Errorf("STOMP %s: got %q, want %q", v, got, want)
		}
	}
}

// TestSentBy: subscribers see who sent a message where the bus says it by the name of a member. What else it says is nobody's.
func TestSentBy(t *testing.T) {
	e := bus.Envelope{Destination: "/topic/a", Headers: []bus.Header{{Name: "stomp-member", Value: "8"}, {Name: "own", Value: "kept"}}}
	for _, test := range []struct {
		member, v10, v12 string
	}{
		{"7", "stomp-member:7\n", "stomp-member:7\n"},
		{"a%2Fb", "stomp-member:a%2Fb\n", "stomp-member:a%2Fb\n"},
		{"x:7", "stomp-member:x:7\n", "stomp-member:x\\c7\n"},
		{"", "", ""}, {"a/b", "", ""}, {"7\nadmin:true", "", ""}, {"%41", "", ""}, {strings.Repeat("a", 300), "", ""},
	} {
		e.Member = test.member
		for v, member := range map[stomp.Version]string{stomp.V10: test.v10, stomp.V11: test.v12, stomp.V12: test.v12} {
			want := "MESSAGE\ndestination:/topic/a\nmessage-id:node-7\n" + member + "own:kept\ncontent-length:0\n\n\x00"
			if got := pack(e, Subscription{Version: v, Framing: bare{}}); got != want {
				t.Errorf("STOMP %s: got %q, want %q", v, got, want)
			}
		}
	}
}

// TestLeftOut: the headers that MESSAGE can't have are counted, once for all versions.
func TestLeftOut(t *testing.T) {
	for _, test := range []struct {
		headers []bus.Header
		want    int
	}{
		{nil, 0},
		{[]bus.Header{{Name: "a", Value: "b"}, {Name: "a:b", Value: "line\nfeed"}, {Name: "c", Value: ""}}, 0},
		{[]bus.Header{{Name: "", Value: "no name"}, {Name: "a", Value: "b"}}, 1},
		{[]bus.Header{{Name: "message-id", Value: "1"}, {Name: "destination", Value: "/y"}, {Name: "a", Value: "\xff"}, {Name: "\x00", Value: "b"}}, 4},
	} {
		e := bus.Envelope{Destination: "/topic/a", Headers: test.headers}
		if got := NewMessage(e, e.Destination, e.Destination, "node", 1).leftOut; got != test.want {
			t.Errorf("of %q %d are left out, want %d", test.headers, got, test.want)
		}
	}
}

// TestText: a frame goes as text if all of it is valid UTF-8, of which what its version leaves out is no
// part.
func TestText(t *testing.T) {
	const bad = "\xff"
	for _, test := range []struct {
		name string
		e    bus.Envelope
		id   string
		want string // in 1.0
		then string // in 1.1 and 1.2, which write no header that is not UTF-8
	}{
		{"ASCII", bus.Envelope{Body: []byte("a")}, "s", "text:", "text:"},
		{"UTF-8", bus.Envelope{Body: []byte("\u20ac"), Headers: []bus.Header{{Name: "\u00e4", Value: "\U0001f600"}}}, "\u00f6", "text:", "text:"},
		{"NUL in the body", bus.Envelope{Body: []byte("a\x00b")}, "s", "text:", "text:"},
		{"body", bus.Envelope{Body: []byte(bad)}, "s", "binary:", "binary:"},
		{"header value", bus.Envelope{Headers: []bus.Header{{Name: "a", Value: bad}}}, "s", "binary:", "text:"},
		{"content type", bus.Envelope{Headers: []bus.Header{{Name: "content-type", Value: bad}}}, "s", "binary:", "text:"},
		{"message id, which is ours", bus.Envelope{Headers: []bus.Header{{Name: "message-id", Value: bad}}}, "s", "text:", "text:"},
		{"header value and body", bus.Envelope{Headers: []bus.Header{{Name: "a", Value: bad}}, Body: []byte(bad)}, "s", "binary:", "binary:"},
		{"header name", bus.Envelope{Headers: []bus.Header{{Name: bad, Value: "a"}}}, "s", "binary:", "text:"},
		{"destination", bus.Envelope{Destination: "/topic/" + bad}, "s", "binary:", "text:"},
		{"subscription id", bus.Envelope{}, bad, "binary:", "text:"},
	} {
		for v := stomp.V10; v <= stomp.V12; v++ {
			got := pack(test.e, Subscription{ID: test.id, Version: v, Framing: wrapped{}})
			if v > stomp.V10 {
				test.want = test.then
			}
			if !strings.HasPrefix(got, test.want) || utf8.ValidString(got) != (test.want == "text:") {
				t.Errorf("%s in %s: got %q, want %s", test.name, v, got, test.want)
			}
		}
	}
}

// A message does not hold on to the memory of its envelope, which the bus only lends.
func TestMessageIsACopy(t *testing.T) {
	body := []byte("hello")
	m := NewMessage(bus.Envelope{Destination: "/topic/a", Body: body}, "/topic/a", "/topic/a", "node", 1)
	copy(body, "#####")
	var p packer
	if got := string(p.pack(m, "", &Subscription{Version: stomp.V12, Framing: bare{}})); !strings.HasSuffix(got, "\n\nhello\x00") {
		t.Errorf("got %q", got)
	}
}

// TestPackerShares: subscriptions of a kind get the same bytes, others never.
func TestPackerShares(t *testing.T) {
	headers := []bus.Header{{Name: "foo", Value: "a:b\rc"}} // each version writes it in its own way
	m := NewMessage(bus.Envelope{Destination: "/topic/a", Headers: headers, Body: []byte("x")}, "/topic/a", "/topic/a", "node", 1)
	var kinds []Subscription
	for v := stomp.V10; v <= stomp.V12; v++ {
		for _, id := range []string{"1", "2"} {
			kinds = append(kinds, Subscription{ID: id, Version: v, Framing: bare{}}, Subscription{ID: id, Version: v, Framing: wrapped{}})
		}
	}
	kinds = append(kinds, Subscription{ID: "1", Version: stomp.V12, Framing: bare{}, WantsAck: true})
	var p packer
	for round := range 2 { // more kinds than it remembers
		for _, s := range kinds {
			first := p.pack(m, "", &s)
			if second := p.pack(m, "", &s); &first[0] != &second[0] {
				t.Errorf("round %d: %+v is packed twice", round, s)
			}
			var fresh packer
			if want := fresh.pack(m, "", &s); string(first) != string(want) {
				t.Errorf("round %d: %+v got %q, want %q", round, s, first, want)
			}
		}
	}
	first := p.pack(m, "", &kinds[0])
	p.reset()
	other := NewMessage(bus.Envelope{Destination: "/topic/a", Body: []byte("y")}, "/topic/a", "/topic/a", "node", 2)
	if second := p.pack(other, "", &kinds[0]); string(first) == string(second) {
		t.Errorf("another message is packed as %q", second)
	}
}
