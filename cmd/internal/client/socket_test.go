package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// playHTTP is play for a server whose URL is ws:// or http://. Sockets, unlike pipes, let both sides
// write at once.
func playHTTP(t *testing.T, scheme string, say func(*script)) Options {
	near, far := sockets(t)
	return Options{URL: scheme + "://server:80/stomp?q=1", Timeout: patience, HeartBeat: -1, dial: on(t, near, far, say)}
}

func sockets(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if near, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// upgrade answers the request for a WebSocket, and returns what it asked for.
func (s *script) upgrade() (path string) {
	s.t.Helper()
	u := ws.Upgrader{
		Protocol:  func(p []byte) bool { return string(p) == "v12.stomp" },
		OnRequest: func(uri []byte) error { path = string(uri); return nil },
	}
	hs, err := u.Upgrade(struct {
		io.Reader
		io.Writer
	}{s.in, s.conn})
	if err != nil || hs.Protocol != "v12.stomp" {
		s.t.Errorf("upgrade: %v, %+v", err, hs)
		runtime.Goexit()
	}
	return path
}

// message returns the next message of the client.
func (s *script) message() (string, ws.OpCode) {
	s.t.Helper()
	b, op, err := wsutil.ReadClientData(struct {
		io.Reader
		io.Writer
	}{s.in, s.conn})
	if err != nil {
		s.t.Errorf("the server waits for a message: %v", err)
		runtime.Goexit()
	}
	return string(b), op
}

// control returns the next frame of the client, which has to be small and masked.
func (s *script) control() (ws.OpCode, string) {
	s.t.Helper()
	h, err := ws.ReadHeader(s.in)
	payload := make([]byte, min(h.Length, 125))
	if err == nil {
		_, err = io.ReadFull(s.in, payload)
	}
	if err != nil || !h.Masked {
		s.t.Errorf("the server waits for a frame: %+v, %v", h, err)
		runtime.Goexit()
	}
	ws.Cipher(payload, h.Mask, 0)
	return h.OpCode, string(payload)
}

// put sends a WebSocket frame.
func (s *script) put(fin bool, op ws.OpCode, payload string) {
	ws.WriteFrame(s.conn, ws.NewFrame(op, fin, []byte(strings.ReplaceAll(payload, "^@", "\x00")))) // it may come to nobody
}

// text sends a message of text.
func (s *script) text(payload string) { s.put(true, ws.OpText, payload) }

func (s *script) greetWS() {
	s.t.Helper()
	s.upgrade()
	s.message()
	s.text("CONNECTED\nversion:1.2\n\n^@")
}

// TestWebSocket: frames may be cut and joined in any way, and pings are answered.
func TestWebSocket(t *testing.T) {
	c := dial(t, playHTTP(t, "ws", func(s *script) {
		if path := s.upgrade(); path != "/stomp?q=1" {
			t.Errorf("path %s", path)
		}
		if m, op := s.message(); !strings.HasPrefix(m, "CONNECT\n") || op != ws.OpText {
			t.Errorf("got %v %q", op, m)
		}
		s.put(false, ws.OpText, "CONNECTED\nver")
		s.put(true, ws.OpPing, "hello")
		s.put(false, ws.OpContinuation, "")
		s.put(true, ws.OpContinuation, "sion:1.2\n\n^@MESSAGE\nsubscription:1\nmessage-id:1\n\none^@")
		s.put(true, ws.OpPong, "")
		s.put(true, ws.OpBinary, "\nMESSAGE\nsubscription:1\nmessage-id:2\n\n"+strings.Repeat("x", 100_000)+"^@")
		if op, payload := s.control(); op != ws.OpPong || payload != "hello" {
			t.Errorf("got %v %q, want a pong", op, payload)
		}
		if m, op := s.message(); !strings.HasSuffix(m, "\n\n\xff\x00") || op != ws.OpBinary {
			t.Errorf("got %v %q", op, m)
		}
		s.put(true, ws.OpClose, string(ws.NewCloseFrameBody(1008, "kicked \x1b[2J")))
		if op, payload := s.control(); op != ws.OpClose || payload != string(ws.NewCloseFrameBody(1008, "")) {
			t.Errorf("got %v %q, want a Close", op, payload)
		}
	}))
	for _, size := range []int{3, 100_000} {
		if m, err := c.Next(t.Context()); err != nil || len(m.Body) != size {
			t.Fatalf("got %d bytes, %v", len(m.Body), err)
		}
	}
	wantError(t, send(c, t.Context(), "/a", nil, []byte("\xff")), "the server closed the connection with code 1008: kicked �[2J")
}

// TestEarlyBytes: what comes with the answer to the upgrade is not lost.
func TestEarlyBytes(t *testing.T) {
	near, far := net.Pipe()
	o := Options{URL: "ws://server/stomp", Timeout: patience, HeartBeat: -1, dial: on(t, near, far, func(s *script) {
		whole := &joined{s.conn, nil}
		inner := &script{t, whole, s.in}
		inner.upgrade()
		inner.text("CONNECTED\nversion:1.2\n\n^@")
		inner.text("MESSAGE\nsubscription:1\n\n^@")
		s.conn.Write(whole.held)
		s.rest()
	})}
	if _, err := dial(t, o).Next(t.Context()); err != nil {
		t.Error(err)
	}
}

// joined holds what is written.
type joined struct {
	net.Conn
	held []byte
}

func (j *joined) Write(b []byte) (int, error) {
	j.held = append(j.held, b...)
	return len(b), nil
}

// TestNoWebSocket: servers that are none.
func TestNoWebSocket(t *testing.T) {
	for _, tt := range []struct{ name, answer, want string }{
		{"404", "HTTP/1.1 404 Not Found\r\n\r\nsecret", "it answers 404 Not Found, and does not open a WebSocket there"},
		{"403", "HTTP/1.1 403 \x1b[2J\r\n\r\n", "it answers 403 Forbidden, and does not open a WebSocket there"},
		{"nothing", "", "it closed the connection instead of opening a WebSocket"},
		{"half an answer", "HTTP/1.1 101 Swi", "it closed the connection instead of opening a WebSocket"},
		{"no HTTP", "ERROR\nmessage:x\n\n^@\n", "it does not open a WebSocket: malformed HTTP response"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Dial(t.Context(), playHTTP(t, "ws", func(s *script) {
				if _, err := http.ReadRequest(s.in); err != nil {
					t.Error(err)
				}
				s.say(tt.answer)
			}))
			wantError(t, err, "ws://server:80/stomp: "+tt.want)
		})
	}
}

// TestEndlessHandshake: an answer that does not end is given up, by its length.
func TestEndlessHandshake(t *testing.T) {
	for _, more := range []string{"x:y\r\n", "x"} {
		more = strings.Repeat(more, 1000)
		_, err := Dial(t.Context(), playHTTP(t, "ws", func(s *script) {
			s.say("HTTP/1.1 101 Switching Protocols\r\nx:")
			for {
				if _, err := s.conn.Write([]byte(more)); err != nil {
					return
				}
			}
		}))
		wantError(t, err, "ws://server:80/stomp: it closed the connection instead of opening a WebSocket")
	}
}

// TestBrokenWebSocket: what RFC 6455 does not allow ends the connection.
func TestBrokenWebSocket(t *testing.T) {
	const broken = "the server does not speak WebSocket as it should: "
	for _, tt := range []struct {
		name string
		say  func(*script)
		want string
	}{
		{"masked", func(s *script) { ws.WriteFrame(s.conn, ws.MaskFrame(ws.NewTextFrame([]byte("x")))) }, broken + "frames from server to client must be not masked"},
		{"huge ping", func(s *script) { s.put(true, ws.OpPing, strings.Repeat("x", 126)) }, broken + "control frame payload limit exceeded"},
		{"two at once", func(s *script) { s.put(false, ws.OpText, "\n"); s.put(true, ws.OpText, "\n") }, broken + "unexpected non-continuation data frame"},
		{"end within a frame", func(s *script) { s.say("\x82\x05\nab") }, "the connection ended within a frame"},
		{"end within a ping", func(s *script) { s.say("\x89\x05ab") }, "the connection ended within a frame"},
		{"end within a message", func(s *script) { s.put(false, ws.OpText, "\n") }, "the connection ended within a frame"},
		{"end between messages", func(s *script) {}, "the server closed the connection"},
		{"Close without a code", func(s *script) { s.put(true, ws.OpClose, "") }, "the server closed the connection with code 1005"},
		{"Close with half a code", func(s *script) { s.put(true, ws.OpClose, "\x03") }, "the server closed the connection with code 1005"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, playHTTP(t, "ws", func(s *script) {
				s.greetWS()
				tt.say(s)
			}))
			_, err := c.Next(t.Context())
			wantError(t, err, tt.want)
		})
	}
}

// array is a frame of SockJS with these texts.
func array(texts ...string) string {
	for i := range texts {
		texts[i] = strings.ReplaceAll(texts[i], "^@", "\x00")
	}
	b, err := json.Marshal(texts)
	if err != nil {
		panic(err)
	}
	return "a" + string(b)
}

// greetSockJS opens a session of SockJS and of STOMP.
func (s *script) greetSockJS() {
	s.t.Helper()
	s.upgrade()
	s.text("o")
	s.message()
	s.text(array("CONNECTED\nversion:1.2\n\n^@"))
}

func TestSockJS(t *testing.T) {
	c := dial(t, playHTTP(t, "http", func(s *script) {
		var server, session string
		if n, err := fmt.Sscanf(strings.ReplaceAll(s.upgrade(), "/", " "), " stomp %3s %s websocket?q=1", &server, &session); n != 2 || err != nil || len(session) < 8 {
			t.Errorf("%d, %v, %q", n, err, session)
		}
		s.text("o")
		s.text("h")
		var texts []string
		m, op := s.message()
		if err := json.Unmarshal([]byte(m), &texts); err != nil || len(texts) != 1 || !strings.HasPrefix(texts[0], "CONNECT\n") || op != ws.OpText {
			t.Errorf("got %v %q, %v", op, m, err)
		}
		s.text("a[]")
		s.put(false, ws.OpText, `a["CONNECTED\nver","sion:1.2`)
		s.put(true, ws.OpContinuation, `\n\n\u0000", "", "MESSAGE\nsubscription:1\n\n\ud83d\ude00\u0000"]`)
		s.text("h")
		s.text(array("\n", "MESSAGE\nsubscription:1\n\n"+strings.Repeat("\u2028", 50_000)+"^@"))
		if m, _ := s.message(); !strings.Contains(m, `\u0000`) || !strings.Contains(m, "ü") {
			t.Errorf("got %q", m)
		}
		s.text(`c[3000,"Go away!\u001b"]`)
	}))
	for _, want := range []string{"😀", strings.Repeat("\u2028", 50_000)} {
		if m, err := c.Next(t.Context()); err != nil || string(m.Body) != want {
			t.Fatalf("got %.30q, %v", m.Body, err)
		}
	}
	wantError(t, send(c, t.Context(), "/a", nil, []byte("\xff")), "SockJS carries only UTF-8 text, and this body is not: connect by ws:// or tcp://")
	wantError(t, send(c, t.Context(), "/a", nil, []byte("ü")), "the server closed the connection with code 3000: Go away!�")
}

// TestBrokenSockJS: what SockJS does not have ends the connection, and nothing makes memory grow.
func TestBrokenSockJS(t *testing.T) {
	for _, tt := range []struct{ name, frame, want string }{
		{"a number", "a[1]", errNoTexts.Error()},
		{"no array", `a{"x":1}`, errNoTexts.Error()},
		{"half an array", `a["x"`, errNoTexts.Error()},
		{"half a text", `a["x`, errNoTexts.Error()},
		{"no comma", `a["\n" "\n"]`, errNoTexts.Error()},
		{"nothing", "", errNoTexts.Error()},
		{"another kind", "x[]", `the server does not speak SockJS as it should: it sent a frame 'x'`},
		{"closing without a reason", "c[]", "the server does not speak SockJS as it should: its closing frame says nothing"},
		{"closing with a text", `c["a","b"]`, "the server does not speak SockJS as it should: its closing frame says nothing"},
		{"half a closing", `c[3000,"x`, "the server does not speak SockJS as it should: its closing frame says nothing"},
		{"a huge text", `a["` + strings.Repeat("x", 4<<20), errTooLong.Error()},
		{"a huge blank", `a[` + strings.Repeat(" ", 4<<20), errTooLong.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := playHTTP(t, "http", func(s *script) {
				s.greetSockJS()
				s.text(tt.frame)
				s.rest()
			})
			o.Body = 100
			_, err := dial(t, o).Next(t.Context())
			wantError(t, err, tt.want)
		})
	}
	t.Run("before it is opened", func(t *testing.T) {
		_, err := Dial(t.Context(), playHTTP(t, "http", func(s *script) {
			s.upgrade()
			s.text(array("CONNECTED\nversion:1.2\n\n^@"))
			s.rest()
		}))
		wantError(t, err, "the server does not speak SockJS: its first frame opens nothing")
	})
}
