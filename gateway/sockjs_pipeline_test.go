package gateway_test

import (
	"strings"
	"testing"
	"time"
)

// Requests may come in one segment, and are answered one after the other.
func TestSockJSPipelining(t *testing.T) {
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
