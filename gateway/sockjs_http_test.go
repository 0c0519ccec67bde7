package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// http10 writes a request of HTTP/1.0, whose client would keep the connection.
func http10(method, path string) string {
	return strings.Replace(request(method, path, "", "Connection: Keep-Alive"), "HTTP/1.1", "HTTP/1.0", 1)
}

// askRaw sends bytes, and reads the head of an answer.
func (b *browser) askRaw(c *raw, wire string) *answer {
	b.t.Helper()
	c.write(wire)
	a, err := b.answerOn(c, http.MethodGet)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// fresh is a connection that is nobody else's.
func (b *browser) fresh() *raw {
	b.t.Helper()
	c, err := b.connection()
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// "Http 1.0 and 1.1 chunking", of 1.0
func TestSockJSHTTP10(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("synchronous", func(t *testing.T) {
			b := open(t)
			c := b.fresh()
			for range 3 {
				a := b.askRaw(c, http10("GET", "/echo"))
				if a.TransferEncoding != nil {
					t.Error("HTTP/1.0 has no transfer encoding")
				}
				a.want(200, "Welcome to SockJS!\n")
				if a.ContentLength < 0 || !strings.EqualFold(a.Header.Get("Connection"), "keep-alive") {
					c.wantEOF()
					return
				}
			}
		})
		t.Run("polling", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			for _, want := range []string{"o\n", "a[\"a\"]\n"} {
				c := b.fresh()
				a := b.askRaw(c, http10("POST", path+"/xhr"))
				if a.TransferEncoding != nil {
					t.Error("HTTP/1.0 has no transfer encoding")
				}
				a.want(200, want)
				c.wantSoonEOF()
				b.post(path+"/xhr_send", `["a"]`).want(204, "")
			}
		})
		for _, tr := range streaming() {
			t.Run(tr.name, func(t *testing.T) {
				b := open(t)
				c := b.fresh()
				a := b.askRaw(c, http10(tr.method, newPath("/close")+tr.receive)).wantStatus(200)
				if a.TransferEncoding != nil || a.ContentLength >= 0 {
					t.Errorf("%v %d", a.TransferEncoding, a.ContentLength)
				}
				s := &sock{browser: b, transport: tr, in: a}
				s.begin()
				s.want("o")
				s.want(`c[3000,"Go away!"]`)
				c.wantSoonEOF()
				if rest, err := io.ReadAll(s.in.Body); err != nil || len(rest) > 0 {
					t.Errorf("then %q, %v", rest, err)
				}
			})
		}
	})
}

// wantSoonEOF is wantEOF for a client to which the end of the connection is the end of the answer: it
// need not wait until the node gives up on it.
func (c *raw) wantSoonEOF() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(4 * time.Second))
	c.wantEOF()
	c.conn.SetReadDeadline(time.Now().Add(patience))
}

// begin reads the prelude of an answer that the test has asked for itself.
func (s *sock) begin() {
	s.t.Helper()
	if err := s.begun(); err != nil {
		s.t.Fatal(err)
	}
}

// "Http 1.0 and 1.1 chunking", of 1.1
func TestSockJSHTTP11(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("synchronous", func(t *testing.T) {
			b := open(t)
			c := b.fresh()
			for range 3 {
				a := b.askRaw(c, request("GET", "/echo", "", "Connection: Keep-Alive"))
				if a.Close || a.ContentLength >= 0 && a.TransferEncoding != nil {
					t.Errorf("%v %v %d", a.Header, a.TransferEncoding, a.ContentLength)
				}
				a.want(200, "Welcome to SockJS!\n")
			}
		})
		t.Run("streaming", func(t *testing.T) {
			b := open(t)
			a := b.askRaw(b.fresh(), request("POST", newPath("/close")+"/xhr_streaming", "", "Connection: Keep-Alive"))
			a.wantStatus(200).wantHeader("Content-Length", "")
			if got := a.chunk(); len(got) != 2049 || got[0] != 'h' {
				t.Errorf("got %q", got)
			}
			a.wantChunk("o\n")
			a.wantChunk("c[3000,\"Go away!\"]\n")
			a.wantChunk("")
		})
		t.Run("everything on one connection", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			c := b.fresh()
			b.askRaw(c, request("GET", "/echo/info", "")).info()
			b.askRaw(c, request("POST", path+"/xhr", "")).want(200, "o\n")
			for i := range 10 {
				b.askRaw(c, request("POST", path+"/xhr_send", fmt.Sprintf(`["%d"]`, i))).want(204, "")
				b.askRaw(c, request("POST", path+"/xhr", "")).want(200, fmt.Sprintf("a[\"%d\"]\n", i))
			}
			b.askRaw(c, request("GET", path+"/jsonp?c=*", "")).wantStatus(500).text()
			b.askRaw(c, request("GET", "/stomp/nothing", "")).wantStatus(404).text()
			b.askRaw(c, request("OPTIONS", path+"/xhr", "", "Origin: test")).text()
			c.write(strings.Replace(upgradeRequest("test"), "/stomp", path+"/websocket", 1))
			c.response(101)
			c.wantText("o")
		})
		t.Run("Connection: close", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			for _, want := range []string{"o\n", "a[\"a\"]\n"} {
				c := b.fresh()
				a := b.askRaw(c, request("POST", path+"/xhr", "", "Connection: close"))
				a.want(200, want)
				c.wantSoonEOF()
				c = b.fresh()
				b.askRaw(c, request("POST", path+"/xhr_send", `["a"]`, "Connection: close")).want(204, "")
				c.wantSoonEOF()
			}
		})
	})
}

// TestSockJSHead holds that HEAD is GET without a body, where there is no session.
func TestSockJSHead(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		for _, path := range []string{"/stomp", "/stomp/info", "/stomp/iframe.html"} {
			b := open(t)
			b.ask("HEAD", path, "").want(200, "")
			b.get(path).wantStatus(200).text() // on the same connection, if it is kept
		}
	})
}
