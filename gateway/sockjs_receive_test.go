package gateway_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

// "Heartbeat frame": an open receiver has one now and then, and a poll ends with it. A raw WebSocket has none.
func TestSockJSHeartbeat(t *testing.T) {
	t.Parallel()
	n := start(t, sockJS(func(s *gateway.SockJS) { s.Heartbeat = 50 * time.Millisecond }))
	for _, w := range []way{first, later} {
		t.Run(string(w), func(t *testing.T) {
			var sessions []*sock
			for _, service := range []string{"/stomp", "/echo"} {
				for _, tr := range allTransports() {
					sessions = append(sessions, n.browser(t, w).session(tr, service))
				}
			}
			c := n.rawEcho(t, "/echo/websocket")
			for _, s := range sessions {
				for range 2 {
					s.want("h")
				}
				c.write(frame(text, "x"))
				c.wantText("x")
				if s.streams && s.answers > 1 {
					t.Errorf("%s took %d answers", s.name, s.answers)
				}
			}
		})
	}
}

// Each transport carries messages of any size and content, both ways.
func TestSockJSEcho(t *testing.T) {
	t.Parallel()
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

// "XhrPolling", "XhrStreaming", "EventSource", "HtmlFile", "JsonpPolling": what each says of its answers. How frames are
// written is for the rig to read, word for word.
func TestSockJSTransports(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		for _, tr := range overHTTP() {
			t.Run(tr.name, func(t *testing.T) {
				s := &sock{browser: open(t), transport: tr, path: newPath("/echo")}
				s.in = s.ask(tr.method, s.path+tr.receive, "", "Origin: test", "Cookie: JSESSIONID=abcdef")
				s.in.wantStatus(200).wantType(tr.kind).wantNotCached().wantHeader("Set-Cookie", "")
				if tr.streams {
					s.in.wantHeader("Content-Length", "")
				}
				if !tr.ofElement() {
					s.in.wantCORS("test").wantVary("Origin")
					s.wantPreflight(s.path+tr.receive, "OPTIONS, "+tr.method)
				}
				s.begin()
				if frame, err := s.next(s.in.lines); frame != "o" || err != nil {
					t.Fatalf("got %q, %v", frame, err)
				}
				if !tr.streams {
					s.in = nil
				}
				a, err := s.post(`["x"]`)
				if err != nil {
					t.Fatal(err)
				}
				a.wantNotCached().wantType("text/plain;charset=UTF-8").wantHeader("Set-Cookie", "").text()
				s.want(`a["x"]`)
			})
		}
		b, path := open(t), newPath("/echo")
		b.post(path+"/xhr", "").want(200, "o\n")
		b.post(path+"/xhr_send", `["x"]`, "Origin: test").wantCORS("test").wantVary("Origin").want(204, "")
		b.wantPreflight(path+"/xhr_send", "OPTIONS, POST")
		b.post(path+"/xhr", "").want(200, "a[\"x\"]\n")
	})
}

// "XhrPolling"
func TestSockJSXHRPolling(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("invalid JSON", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.post(path+"/xhr", "").want(200, "o\n")
			b.post(path+"/xhr_send", `["x`).wantIn(500, "Broken JSON encoding.")
			b.post(path+"/xhr_send", "").wantIn(500, "Payload expected.")
			b.post(path+"/xhr_send", `["a"]`).want(204, "")
			b.post(path+"/xhr", "").want(200, "a[\"a\"]\n")
		})
		t.Run("content types", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.post(path+"/xhr", "").want(200, "o\n")
			types := []string{"text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8",
				"text/xml; charset=utf-8", "text/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"}
			for _, name := range types {
				b.post(path+"/xhr_send", `["a"]`, "Content-Type: "+name).want(204, "")
			}
			b.post(path+"/xhr", "").want(200, `a["a"`+strings.Repeat(`,"a"`, len(types)-1)+"]\n")
		})
		t.Run("request headers", func(t *testing.T) {
			for _, c := range []struct{ header, want string }{
				{"Access-Control-Request-Headers: a, b, c", "a, b, c"},
				{"Access-Control-Request-Headers: ", ""},
				{"X-Nothing: of the kind", ""},
			} {
				a := open(t).ask("OPTIONS", newPath("/echo")+"/xhr", "", "Origin: test", "Access-Control-Request-Method: POST", c.header)
				a.wantCORS("test").wantHeader("Access-Control-Allow-Headers", c.want).want(a.StatusCode, "")
				if a.StatusCode != 200 && a.StatusCode != 204 {
					t.Error(a.Status)
				}
			}
		})
	})
}

// A receiver's request may have a body, which means nothing.
func TestSockJSPollWithBody(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		b, path := open(t), newPath("/echo")
		for _, want := range []string{"o\n", "a[\"a\"]\n"} {
			b.post(path+"/xhr", `["ignored"]`).want(200, want)
			b.post(path+"/xhr_send", `["a"]`).want(204, "")
		}
		a := b.askRaw(b.fresh(), request("POST", path+"/xhr", strings.Repeat("x", 100<<10)))
		if a.StatusCode != 200 && a.StatusCode != 413 {
			t.Errorf("got %s", a.Status)
		}
	})
}

const form = "Content-Type: application/x-www-form-urlencoded"

// "JsonpPolling"
func TestSockJSJSONPPolling(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		wantCallback(t, open, "jsonp")
		t.Run("invalid JSON", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.get(path+"/jsonp?c=%63allback").want(200, "/**/callback(\"o\");\r\n")
			b.post(path+"/jsonp_send", "d=%5B%22x", form).wantIn(500, "Broken JSON encoding.")
			for _, body := range []string{"", "d=", "p=p"} {
				b.post(path+"/jsonp_send", body, form).wantIn(500, "Payload expected.")
			}
			b.post(path+"/jsonp_send", "d=%5B%22b%22%5D", form).want(200, "ok")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"a[\\\"b\\\"]\");\r\n")
		})
		t.Run("content types", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"o\");\r\n")
			b.post(path+"/jsonp_send", "d=%5B%22abc%22%5D", form).want(200, "ok")
			b.post(path+"/jsonp_send", `["%61bc"]`, "Content-Type: text/plain").want(200, "ok")
			b.post(path+"/jsonp_send", "x=1&d="+url.QueryEscape(`["a+b &"]`)+"&y=2", form+"; charset=utf-8").want(200, "ok")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"a[\\\"abc\\\",\\\"%61bc\\\",\\\"a+b &\\\"]\");\r\n")
		})
	})
}

// "XhrStreaming": an answer ends at its limit, and each frame is a chunk.
func TestSockJSXHRStreaming(t *testing.T) {
	t.Parallel()
	prelude := strings.Repeat("h", 2048) + "\n"
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		b, path := open(t), newPath("/echo")
		a := b.post(path+"/xhr_streaming", "")
		a.wantChunk(prelude)
		a.wantChunk("o\n")
		message := `["` + strings.Repeat("x", 128) + `"]`
		for range 31 { // 4,154 octets with the open frame, 4,020 without the last
			b.post(path+"/xhr_send", message).want(204, "")
			a.wantChunk("a" + message + "\n")
		}
		a.wantChunk("")
		a = b.post(path+"/xhr_streaming", "")
		a.wantChunk(prelude)
		b.post(path+"/xhr_send", `["x"]`).want(204, "")
		a.wantChunk("a[\"x\"]\n")
		wantCallback(t, open, "htmlfile")
	})
}

// wantCallback holds that a page names a function, and can't put more into a script.
func wantCallback(t *testing.T, open func(testing.TB) *browser, transport string) {
	t.Run("no callback", func(t *testing.T) {
		b := open(t)
		for _, query := range []string{"", "?", "?c", "?c=", "?d=callback"} {
			b.get("/echo/a/a/"+transport+query).wantIn(500, `"callback" parameter required`)
		}
	})
	t.Run("invalid callback", func(t *testing.T) {
		b := open(t)
		for _, callback := range []string{"%20", "*", "abc(", "abc%28", "a%0ab", "a%00", "a%3Cscript%3E", "a%2Fb", "a[0]", "a%3Bb", "%C3%A9", "a%26b", "a+b", "a%27"} {
			a := b.get("/echo/a/a/" + transport + "?c=" + callback)
			if kind := a.Header.Get("Content-Type"); strings.Contains(kind, "html") || strings.Contains(kind, "javascript") {
				t.Errorf("the refusal of %s is %q", callback, kind)
			}
			a.wantIn(500, `invalid "callback" parameter`)
		}
	})
	t.Run("no session comes of it", func(t *testing.T) {
		b, path := open(t), newPath("/echo")
		b.get(path + "/" + transport + "?c=*").wantStatus(500).text()
		b.post(path+"/xhr_send", `["a"]`).wantStatus(404).text()
	})
	t.Run("any good callback", func(t *testing.T) {
		for _, callback := range []string{"a", "_jp.aB3-x", "a.b.c", "9", "%5Fa", "-"} {
			open(t).get(newPath("/echo") + "/" + transport + "?x=1&c=" + callback + "&t=2").wantStatus(200)
		}
	})
}
