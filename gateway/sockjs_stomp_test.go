package gateway_test

import (
	"slices"
	"strings"
	"testing"
)

// A session over SockJS is one like any other, from CONNECT to DISCONNECT.
func TestSockJSConversation(t *testing.T) {
	t.Parallel()
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, sockJS())
		for _, w := range []way{first, later, kept} {
			for _, tr := range allTransports() {
				t.Run(string(w)+" "+tr.name, func(t *testing.T) {
					c := newClient(t, n.browser(t, w).session(tr, "/stomp"))
					if n := len(n.sessions.Sessions()); n != 0 {
						t.Fatalf("%d sessions before CONNECT", n)
					}
					c.connect().subscribe("0", "/topic/chat")
					list := n.sessions.Sessions()
					if len(list) != 1 || list[0].Transport != tr.name || list[0].Version != "1.2" || !list[0].Remote.Addr().IsLoopback() {
						t.Fatalf("the registry has %+v", list)
					}
					c.send("SEND\ndestination:/app/topic/chat\nfoo:bar\n\nhellö 😀^@")
					c.expect("MESSAGE", "destination:/topic/chat", "subscription:0", "foo:bar", "hellö 😀")
					c.send("UNSUBSCRIBE\nid:0\nreceipt:u\n\n^@")
					c.expect("RECEIPT", "receipt-id:u")
					c.send("DISCONNECT\nreceipt:bye\n\n^@")
					c.expect("RECEIPT", "receipt-id:bye")
					c.wantCloseFrame(`c[1000,""]`)
					if list := n.sessions.Sessions(); len(list) != 0 || n.Sessions() != 0 {
						t.Errorf("after DISCONNECT: %d, %+v", n.Sessions(), list)
					}
				})
			}
		}
	})
}

// STOMP frames and SockJS messages need not begin or end together.
func TestSockJSMessagesAndFrames(t *testing.T) {
	n := start(t, sockJS())
	frames := sendFrame("a") + "\n\r\n" + sendFrame("é") + sendFrame("c")
	for _, tr := range allTransports() {
		for name, posts := range map[string][]string{
			"in one message":               {encode(frames)},
			"a message each":               {encode(sendFrame("a"), sendFrame("é"), sendFrame("c"))},
			"a post each":                  {encode(sendFrame("a")), encode(sendFrame("é")), encode(sendFrame("c"))},
			"cut over messages":            {encode(cut(frames, 10)...)},
			"cut over posts":               {encode(frames[:5]), encode(frames[5:50]), encode(frames[50:])},
			"a character to a message":     {encode(strings.Split(frames, "")...)},
			"a character to a post":        each(sendFrame("a"), func(c string, _, _ bool) string { return encode(c) }),
			"empty messages between":       {encode("", frames[:9], "", ""), "[]", encode(""), encode(frames[9:], "")},
			"the end of one, and the next": {encode(frames[:9]), encode(frames[9:]+frames[:9], frames[9:])},
		} {
			t.Run(tr.name+" "+name, func(t *testing.T) {
				s := n.browser(t, kept).session(tr, "/stomp")
				c := newClient(t, s).connect()
				for _, post := range posts {
					s.say(post)
				}
				want := strings.Count(strings.Join(posts, ""), `\u0000`)
				for range want {
					c.expect("RECEIPT")
				}
				c.wantAlive()
			})
		}
	}
}

// cut takes a string apart.
func cut(s string, size int) (parts []string) {
	for part := range slices.Chunk([]rune(s), size) {
		parts = append(parts, string(part))
	}
	return parts
}
