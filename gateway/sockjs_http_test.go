package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
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
	t.Parallel()
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
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
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

// Requests may come in one segment, and are answered one after the other.
func TestSockJSPipelining(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		for _, tr := range polling() {
			t.Run(tr.name, func(t *testing.T) {
				path := newPath("/echo")
				poll := request(tr.method, path+tr.receive, "")
				t.Run("two in a segment", func(t *testing.T) {
					c := open(t).fresh()
					c.write(poll + request("GET", "/echo", ""))
					c.answer().wantFrame(tr, "o")
					c.answer().want(200, "Welcome to SockJS!\n")
					c.write(request("GET", "/echo", "") + request("POST", path+"/xhr_send", `["a"]`) + poll + request("GET", "/echo/", ""))
					c.answer().want(200, "Welcome to SockJS!\n")
					c.answer().want(204, "")
					c.answer().wantFrame(tr, `a["a"]`)
					c.answer().want(200, "Welcome to SockJS!\n")
				})
				t.Run("two for a session of any loop", func(t *testing.T) {
					b, s := open(t), open(t).session(tr, "/echo")
					for range 8 { // connections, which the loops take by turns
						s.say(`["a"]`)
						c := b.fresh()
						c.write(request(tr.method, s.path+tr.receive, "") + request("GET", "/echo", ""))
						c.answer().wantFrame(tr, `a["a"]`)
						c.answer().want(200, "Welcome to SockJS!\n")
					}
				})
				t.Run("while a poll waits", func(t *testing.T) {
					b, p := open(t), open(t).parked(tr, path)
					next := request("GET", "/echo", "")
					p.conn.write(next[:10])
					p.conn.write(next[10:] + poll + request("GET", "/echo/info", ""))
					b.post(path+"/xhr_send", `["b"]`).want(204, "")
					p.want(tr, `a["b"]`)
					if p.answer.Close { // over TLS and its like; the client has been told to ask again
						if strings.Contains(t.Name(), "descriptor") {
							t.Error("the connection is not kept")
						}
						p.conn.wantRefused()
						return
					}
					p.conn.answer().want(200, "Welcome to SockJS!\n")
					b.post(path+"/xhr_send", `["c"]`).want(204, "")
					second := p.conn.answer()
					second.wantFrame(tr, `a["c"]`)
					if second.Close && !strings.Contains(t.Name(), "descriptor") { // as above
						p.conn.wantRefused()
						return
					}
					p.conn.answer().info()
				})
				t.Run("a poll and an upgrade", func(t *testing.T) {
					c := open(t).fresh()
					upgrade := strings.Replace(upgradeRequest("test"), "/stomp", path+"/websocket", 1)
					c.write(request("POST", path+"/xhr_send", `["d"]`) + poll + upgrade + frame(text, `["e"]`))
					c.answer().want(204, "")
					c.answer().wantFrame(tr, `a["d"]`)
					c.response(101)
					c.wantText("o")
					c.wantText(`a["e"]`)
				})
				t.Run("a first request with the next in parts", func(t *testing.T) {
					c, other := open(t).fresh(), newPath("/echo")
					wire := request(tr.method, other+tr.receive, "") + request("GET", "/echo", "")
					for part := range strings.SplitAfterSeq(wire, "\r") {
						c.write(part)
					}
					c.answer().wantFrame(tr, "o")
					c.answer().want(200, "Welcome to SockJS!\n")
				})
				t.Run("garbage after a poll", func(t *testing.T) {
					b, p := open(t), open(t).parked(tr, path)
					p.conn.write("\x00\x01 garbage\r\n\r\n")
					b.post(path+"/xhr_send", `["f"]`).want(204, "")
					p.want(tr, `a["f"]`)
					p.conn.wantRefused()
				})
			})
		}
	})
}

// answer reads the next one.
func (c *raw) answer() *answer {
	c.t.Helper()
	a, err := (&browser{t: c.t}).answerOn(c, "GET")
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// wantRefused holds that what came was no request.
func (c *raw) wantRefused() {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "HTTP/1.1 4") || err != nil && !isClosed(err) {
		c.t.Fatalf("got %q, %v", line, err)
	}
}

// A flood behind a poll that waits stays in the network, and is not read into memory.
func TestSockJSFloodBehindPoll(t *testing.T) {
	const most = 32 << 20 // more than the buffers of two sockets
	n := start(t, sockJS())
	for _, w := range []way{first, later} {
		t.Run(string(w), func(t *testing.T) {
			b := n.browser(t, w)
			s := b.session(xhrPolling(), "/echo")
			p := b.parked(xhrPolling(), s.path)
			flood := []byte(strings.Repeat(request("GET", "/echo", ""), 1<<14))
			p.conn.conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			total := 0
			for total <= most {
				k, err := p.conn.conn.Write(flood)
				if total += k; err != nil {
					break
				}
			}
			if total > most {
				t.Errorf("%d bytes were taken while nobody could be answered", total)
			}
			p.conn.conn.Close()
			b.wantInterrupted(s)
		})
	}
}

// wantCookie holds that a load balancer finds the node again.
func (a *answer) wantCookie(value string) *answer {
	a.t.Helper()
	parts := strings.Split(a.Header.Get("Set-Cookie"), ";")
	if len(parts) < 2 || strings.TrimSpace(parts[0]) != "JSESSIONID="+value || strings.ToLower(strings.TrimSpace(parts[1])) != "path=/" {
		a.t.Errorf("Set-Cookie: %q", a.Header.Values("Set-Cookie"))
	}
	return a
}

// "JSESSIONID cookie"
func TestSockJSCookie(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		testSockJSCookie(t, open, "/cookie_needed_echo")
		testSockJSCookie(t, open, "/stomp")
	}, sockJS(func(s *gateway.SockJS) { s.CookieNeeded = true }))
}

func testSockJSCookie(t *testing.T, open func(testing.TB) *browser, service string) {
	t.Run(service, func(t *testing.T) {
		t.Run("basic", func(t *testing.T) {
			if i := open(t).get(service+"/info").wantStatus(200).wantHeader("Set-Cookie", "").info(); !*i.CookieNeeded {
				t.Error("cookie_needed is false")
			}
		})
		for _, tr := range overHTTP() {
			t.Run(tr.name, func(t *testing.T) {
				b, path := open(t), newPath(service)
				b.ask(tr.method, path+tr.receive, "").wantCookie("dummy").wantStatus(200)
				messages := "[]"
				if tr.send == "/jsonp_send" {
					messages = "d=[]"
				}
				b.post(path+tr.send, messages, form).wantCookie("dummy").text()
				b.ask(tr.method, newPath(service)+tr.receive, "", "Cookie: JSESSIONID=abcdef").wantCookie("abcdef").wantStatus(200)
				b.ask(tr.method, newPath(service)+tr.receive, "", "Cookie: a=b; JSESSIONID=x.y-z; c=d").wantCookie("x.y-z").wantStatus(200)
			})
		}
		t.Run("no header comes of it", func(t *testing.T) {
			a := open(t).post(newPath(service)+"/xhr", "", "Cookie: JSESSIONID=a\"b,c\\d")
			if got := a.Header.Get("Set-Cookie"); !strings.HasPrefix(got, "JSESSIONID=") || strings.ContainsAny(got, "\"\\") {
				t.Errorf("Set-Cookie: %q", got)
			}
			a.want(200, "o\n")
		})
		t.Run("static pages have none", func(t *testing.T) {
			b := open(t)
			for _, path := range []string{"", "/", "/info", "/iframe.html"} {
				b.get(service+path).wantStatus(200).wantHeader("Set-Cookie", "").text()
			}
		})
	})
}
