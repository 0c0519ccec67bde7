package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// chunked writes a POST whose length nobody knows.
func chunked(path string, pieces ...string) string {
	r := "POST " + path + " HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, p := range pieces {
		r += fmt.Sprintf("%x\r\n%s\r\n", len(p), p)
	}
	return r + "0\r\n\r\n"
}

// A body that is chunked is like another.
func TestSockJSChunkedPost(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		b := open(t)
		s := b.session(xhrPolling(), "/echo")
		b.askRaw(b.fresh(), chunked(s.path+"/xhr_send", `["he`, `llo"`, `]`)).want(204, "")
		b.askRaw(b.fresh(), chunked(s.path+"/xhr")).want(200, "a[\"hello\"]\n")
		b.askRaw(b.fresh(), chunked(s.path+"/xhr_send")).wantIn(500, "Payload expected.")
		c := b.fresh()
		c.write(strings.Replace(request("POST", s.path+"/xhr_send", `["a"]`), "Host:", "Expect: 100-continue\r\nHost:", 1))
		a, err := b.answerOn(c, "POST")
		if err == nil && a.StatusCode == 100 {
			a, err = b.answerOn(c, "POST")
		}
		if err != nil {
			t.Fatal(err)
		}
		a.want(204, "")
		s.want(`a["a"]`)
	})
}

// mostPosted is the bound of a body, in bytes: what clients gather while they post is many messages.
const mostPosted = 16 << 20

// A body has a bound, whether it is announced or not. The session goes on.
func TestSockJSOversizedPost(t *testing.T) {
	t.Parallel()
	oversized := func(t *testing.T, b *browser, tr transport, pieces ...string) {
		s := b.session(tr, "/stomp")
		client := newClient(t, s).connect()
		c := b.fresh()
		c.write("POST " + s.path + tr.send + " HTTP/1.1\r\nHost: t\r\n")
		go func() { // nobody may want all of it
			for _, p := range pieces {
				if _, err := io.WriteString(c.conn, p); err != nil {
					return
				}
			}
		}()
		a, err := b.answerOn(c, "POST")
		if err != nil {
			t.Fatal(err)
		}
		a.wantStatus(http.StatusRequestEntityTooLarge)
		c.conn.Close()
		client.wantAlive()
	}
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		for _, tr := range polling() {
			t.Run(tr.name, func(t *testing.T) {
				oversized(t, open(t), tr, fmt.Sprintf("Content-Length: %d\r\n\r\n", mostPosted+1))
				oversized(t, open(t), tr, "Content-Length: 999999999999999999\r\n\r\n[", strings.Repeat(" ", 1<<20))
			})
		}
	})
	t.Run("chunked", func(t *testing.T) {
		n := start(t, sockJS())
		piece := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, strings.Repeat("[", 1<<20))
		pieces := append([]string{"Transfer-Encoding: chunked\r\n\r\n"}, slices.Repeat([]string{piece}, mostPosted>>20+1)...)
		for _, tr := range polling() {
			oversized(t, n.browser(t, first), tr, pieces...)
		}
	})
}

// What fits a frame over other transports fits here: the bound is for the body of a SEND.
func TestSockJSLargePost(t *testing.T) {
	n := start(t, sockJS())
	for _, tr := range allTransports() {
		t.Run(tr.name, func(t *testing.T) {
			c := n.dialSock(t, tr).connect()
			c.subscribe("0", "/topic/"+tr.name)
			send := "SEND\ndestination:/topic/" + tr.name + "\n\n"
			body := strings.Repeat("é", 32<<10)
			c.conn.(*sock).say(encode(send + body + "\x00"))
			c.expect("MESSAGE", body)
			c.send(send + body + "x^@") // in parts
			c.expect("ERROR", "message:the body is longer than the 65536 octets allowed")
		})
	}
}

// A post that never comes whole never counts, and is in nobody's way.
func TestSockJSCutPost(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		for _, tr := range overHTTP() {
			t.Run(tr.name, func(t *testing.T) {
				b := open(t)
				s := b.session(tr, "/echo")
				whole := request("POST", s.path+tr.send, `["cut"]`)
				if tr.send == "/jsonp_send" {
					whole = request("POST", s.path+tr.send, `d=["cut"]`, form)
				}
				for name, end := range cuts() {
					for _, wire := range []string{
						whole[:len(whole)-1], whole[:len(whole)-3], whole[:len(whole)-len(`["cut"]`)], whole[:30],
						strings.TrimSuffix(chunked(s.path+tr.send, `["cut"]`), "0\r\n\r\n"),
					} {
						c := b.fresh()
						c.write(wire)
						end(c.conn)
						if name == "half-close" {
							if a, err := b.answerOn(c, "POST"); err == nil && a.StatusCode < 400 {
								t.Errorf("after %q: %s", wire, a.Status)
							}
						}
					}
				}
				s.say(`["good"]`)
				s.want(`a["good"]`)
			})
		}
	})
}

// TestSockJSPostsThatWait: with a session that waits for the bus, posts are taken or refused, and
// each that is taken counts once.
func TestSockJSPostsThatWait(t *testing.T) {
	t.Parallel()
	n, bus := startTap(t, sockJS())
	reader := n.dialTCP(t).connect()
	reader.subscribe("0", "/topic/a")
	s := n.browser(t, kept).session(xhrPolling(), "/stomp")
	newClient(t, s).connect()
	bus.set(true, false)
	results := make(chan error, 30)
	post := func(body string) {
		go func() { results <- s.trySay(encode("SEND\ndestination:/topic/a\n\n" + body + "\x00")) }()
	}
	post("first")
	<-bus.asked
	for range cap(results) - 1 {
		post("later")
	}
	select { // that some are refused is no must
	case err := <-results:
		results <- err
	case <-time.After(100 * time.Millisecond):
	}
	bus.open()
	taken := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			taken++
		case !strings.Contains(err.Error(), " 503 "):
			t.Error(err)
		}
	}
	if taken < 2 {
		t.Errorf("%d posts are taken", taken)
	}
	reader.expect("MESSAGE", "first")
	for range taken - 1 {
		reader.expect("MESSAGE", "later")
	}
	reader.wantAlive()
}

// A length that is not true is the client's problem alone. Those that are none, net/http refuses.
func TestSockJSLyingLength(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		b := open(t)
		s := b.session(xhrPolling(), "/echo")
		c := b.fresh()
		b.askRaw(c, "POST "+s.path+"/xhr_send HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n"+`["a"]["b"]`+"\r\n\r\n").wantStatus(204)
		c.wantEnd() // the rest is no request
		s.want(`a["a"]`)
		s.say(`["good"]`)
		s.want(`a["good"]`)
	})
}

// A body that does not come does not keep a node that stops.
func TestSockJSPostEnds(t *testing.T) {
	t.Parallel()
	n := start(t, sockJS())
	b := n.browser(t, first)
	s, c := b.session(xhrPolling(), "/echo"), b.fresh()
	c.write("POST " + s.path + "/xhr_send HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n")
	n.stop()
	c.wantEnd()
}
