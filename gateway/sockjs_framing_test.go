package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

// "Protocol and framing"
func TestSockJSProtocol(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("simple session", func(t *testing.T) {
			b := open(t)
			path := newPath("/echo")
			b.post(path+"/xhr", "").want(200, "o\n")
			b.post(path+"/xhr_send", `["a"]`).want(204, "")
			b.post(path+"/xhr", "").want(200, "a[\"a\"]\n")
			b.post("/echo/000/bad_session/xhr_send", `["a"]`).wantStatus(404).text()
			b.parked(xhrPolling(), path) // and the other is refused with 2010
		})
		t.Run("close session", func(t *testing.T) {
			b := open(t)
			path := newPath("/close")
			b.post(path+"/xhr", "").want(200, "o\n")
			for range 3 {
				b.post(path+"/xhr", "").want(200, "c[3000,\"Go away!\"]\n")
			}
			b.post(path+"/xhr_send", `["a"]`).wantStatus(404).text()
		})
		t.Run("no session", func(t *testing.T) {
			b := open(t)
			for _, send := range []string{"/xhr_send", "/jsonp_send"} {
				b.post(newPath("/echo")+send, "not even JSON").wantStatus(404).text()
			}
		})
	})
}

// One session may be served by several transports, one after the other.
func TestSockJSChangesTransport(t *testing.T) {
	n := start(t, sockJS())
	for _, w := range []way{first, later, kept} {
		b := n.browser(t, w)
		s := b.session(xhrPolling(), "/echo")
		for i, tr := range overHTTP() {
			s.transport = tr
			s.say(fmt.Sprintf(`["%d"]`, i))
			s.want(fmt.Sprintf(`a["%d"]`, i))
			if tr.streams {
				break // it goes on
			}
		}
	}
}

// "Heartbeat frame": an open receiver has one now and then, and a poll ends with it.
func TestSockJSHeartbeat(t *testing.T) {
	n := start(t, sockJS(func(s *gateway.SockJS) { s.Heartbeat = 50 * time.Millisecond }))
	for _, w := range []way{first, later} {
		t.Run(string(w), func(t *testing.T) {
			var sessions []*sock
			for _, service := range []string{"/stomp", "/echo"} {
				for _, tr := range allTransports() {
					sessions = append(sessions, n.browser(t, w).session(tr, service))
				}
			}
			for _, s := range sessions {
				for range 2 {
					s.want("h")
				}
				if s.streams && s.answers > 1 {
					t.Errorf("%s took %d answers", s.name, s.answers)
				}
			}
		})
	}
}

// A raw WebSocket has no heartbeat frames, nor any other.
func TestSockJSNoHeartbeat(t *testing.T) {
	n := start(t, sockJS(func(s *gateway.SockJS) { s.Heartbeat = time.Millisecond }))
	s := n.browser(t, first).session(xhrPolling(), "/echo")
	c := n.rawEcho(t, "/echo/websocket")
	for range 3 {
		s.want("h")
		c.write(frame(text, "x"))
		if got := c.want(text, ""); got != "x" {
			t.Errorf("got %q", got)
		}
	}
}

// Each transport carries messages of any size and content, both ways.
func TestSockJSEcho(t *testing.T) {
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, sockJS())
		for _, w := range []way{first, later, kept} {
			for _, tr := range allTransports() {
				t.Run(string(w)+" "+tr.name, func(t *testing.T) { testSockJSEcho(t, n.browser(t, w).session(tr, "/echo")) })
			}
		}
	})
}

func testSockJSEcho(t *testing.T, s *sock) {
	messages := []string{"", "a", `"\/`, "\x00\x01\x1f\x7f", "\r\n\t\b\f", "é€😀", "\u2028\u2029\u200d\ufeff\ufff9\uffff", "</script><!-- ]]>",
		"%41+&=?#", strings.Repeat("x", 10_000), strings.Repeat("é", 10_000), strings.Repeat("\x01", 5_000), "a\x00"}
	for _, m := range messages {
		s.say(encode(m))
		got, err := s.frame()
		if err != nil {
			t.Fatal(err)
		}
		if list, err := decode(got); err != nil || len(list) != 1 || list[0] != m {
			t.Fatalf("got %.300q, %v, want %.300q", got, err, m)
		}
	}
	s.say(encode(messages...)) // together, which may come in parts
	for rest := messages; len(rest) > 0; {
		got, err := s.frame()
		if err != nil {
			t.Fatal(err)
		}
		list, err := decode(got)
		if err != nil || len(list) > len(rest) || strings.Join(list, "|") != strings.Join(rest[:len(list)], "|") {
			t.Fatalf("got %.300q, %v", got, err)
		}
		rest = rest[len(list):]
	}
}
