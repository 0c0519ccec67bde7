package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway"
)

// pages answers with the path and the body of a request.
func pages() gateway.Option {
	return gateway.WithPages(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, body)
	}))
}

// wantPage reads the answer of pages.
func (c *raw) wantPage(want string) {
	c.t.Helper()
	got, err := io.ReadAll(c.response(http.StatusOK).Body)
	if err != nil || string(got) != want {
		c.t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

const pageRequest = "GET /page?x=1 HTTP/1.1\r\nHost: test\r\n\r\n"

// TestFirstBytes is what the first bytes on the HTTP port may be, and how they may be cut.
func TestFirstBytes(t *testing.T) { eachSocket(t, testFirstBytes) }

func testFirstBytes(t *testing.T, start startFunc) {
	n := start(t, pages())
	upgrade := upgradeRequest(n.web)
	framesIn := frame(text, connectFrame+sendFrame("early"))
	session := func(c *raw) {
		c.response(http.StatusSwitchingProtocols)
		c.wantMessage("CONNECTED\n")
		c.wantMessage(receiptFrame("early"))
		c.wantAlive()
	}
	page := func(c *raw) { c.wantPage("GET /page?x=1 ") }
	status := func(want int) func(*raw) {
		return func(c *raw) {
			if r := c.response(want); !r.Close {
				c.t.Error("the answer does not say that the connection closes")
			}
			c.wantEOF()
		}
	}
	for _, c := range []struct {
		name string
		wire []string
		want func(*raw)
	}{
		{"an upgrade a byte at a time", append(strings.Split(upgrade, ""), framesIn), session},
		{"an upgrade and frames in one segment", []string{upgrade + framesIn}, session},
		{"an upgrade and half a frame in one segment", []string{upgrade + framesIn[:7], framesIn[7:]}, session},
		{"an upgrade cut in its last line", []string{upgrade[:len(upgrade)-1], upgrade[len(upgrade)-1:] + framesIn}, session},
		{"a page", []string{pageRequest}, page},
		{"a page a byte at a time", strings.Split(pageRequest, ""), page},
		{"a body in the same segment", []string{"POST /p HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody"}, func(c *raw) { c.wantPage("POST /p body") }},
		{"a body later", []string{"POST /p HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbo", "dy"}, func(c *raw) { c.wantPage("POST /p body") }},
		{"two pages in one segment", []string{pageRequest + "GET /2 HTTP/1.1\r\nHost: t\r\n\r\n"}, func(c *raw) { page(c); c.wantPage("GET /2 ") }},
		{"a page, then an upgrade", []string{pageRequest, upgrade, framesIn}, func(c *raw) { page(c); session(c) }},
		{"a page and an upgrade in one segment", []string{pageRequest + upgrade, framesIn}, func(c *raw) { page(c); session(c) }},
		{"a page, an upgrade and frames in one segment", []string{pageRequest + upgrade + framesIn}, func(c *raw) { page(c); session(c) }},
		{"a page, an upgrade and 10 KiB of frames in one segment", []string{pageRequest + upgrade + framesIn + strings.Repeat(frame(ping, "p"), 10<<10/7)},
			func(c *raw) { page(c); c.response(http.StatusSwitchingProtocols); c.wantPongs(10 << 10 / 7) }},
		{"a page, then an upgrade and frames in one segment", []string{pageRequest, upgrade + framesIn}, func(c *raw) { page(c); session(c) }},
		{"a refused upgrade, then a good one", []string{strings.ReplaceAll(upgrade, "13", "8"), upgrade + framesIn},
			func(c *raw) { c.response(http.StatusUpgradeRequired); session(c) }},
		{"GET of the endpoint, where SockJS is", []string{"GET /stomp HTTP/1.1\r\nHost: t\r\n\r\n"}, func(c *raw) { c.wantPage("Welcome to SockJS!\n") }},
		{"garbage", []string{"\x00\x01\x02\x03"}, status(400)},
		{"a TLS ClientHello", []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}, status(400)},
		{"a STOMP CONNECT", []string{"CONNECT\naccept-version:1.2\nhost:t\n\n\x00"}, status(400)},
		{"a line of the PROXY protocol", []string{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"}, status(400)},
		{"a line of the PROXY protocol, cut", []string{"PRO", "XY "}, status(400)},
		{"the PROXY protocol of version 2", []string{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"}, status(400)},
		{"a request line without a version", []string{"GET /stomp\r\n\r\n"}, status(400)},
		{"a header line without a colon", []string{strings.ReplaceAll(upgrade, "Host: ", "Host ")}, status(400)},
		{"a name with a space", []string{strings.ReplaceAll(upgrade, "Host:", "Host :")}, status(400)},
		{"head of 16 KiB", []string{padded(upgrade, 16<<10) + framesIn}, session},
		{"head of 16 KiB and a byte", []string{padded(upgrade, 16<<10+1)}, status(431)},
		{"head of 20 KiB", []string{padded(upgrade, 20<<10)}, status(431)},
		{"head without end", []string{strings.TrimSuffix(padded(upgrade, 17<<10), "\r\n\r\n")}, status(431)},
		{"line without end", []string{strings.Repeat("G", 17<<10)}, status(431)},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws := n.dialRaw(t, n.web)
			for _, w := range c.wire {
				ws.write(w)
			}
			c.want(ws)
		})
	}
}

// TestFirstBytesTCP holds that the port for plain STOMP says at once what it does not speak.
func TestFirstBytesTCP(t *testing.T) { eachSocket(t, testFirstBytesTCP) }

func testFirstBytesTCP(t *testing.T, start startFunc) {
	n := start(t, connectWithin(time.Hour))
	const connected, refused = "CONNECTED\n", "ERROR\nmessage:this port "
	for _, c := range []struct {
		name string
		wire []string
		want string
	}{
		{"CONNECT", []string{connectFrame}, connected},
		{"CONNECT a byte at a time", strings.Split(connectFrame, ""), connected},
		{"CONNECT behind heart-beats", []string{"\n", "\r\n", "\r", "\n\n" + connectFrame}, connected},
		{"STOMP", []string{strings.Replace(connectFrame, "CONNECT", "STOMP", 1)}, connected},
		{"SEND", []string{"SEND\ndestination:/topic/x\nreceipt:7\n\n\x00"}, "ERROR\nmessage:the first frame must be CONNECT or STOMP\nreceipt-id:7\n"},
		{"PROXY", []string{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"}, refused + "does not speak the PROXY protocol"},
		{"PROXY, cut", []string{"PROX", "Y", " "}, refused + "does not speak the PROXY protocol"},
		{"PROXY of version 2", []string{"\r\n\r\n\x00\r\n", "QUIT\n"}, refused + "does not speak the PROXY protocol"},
		{"PROXY, and CONNECT behind it", []string{"PROXY UNKNOWN\r\n" + connectFrame}, refused + "does not speak the PROXY protocol"},
		{"HTTP", []string{"GET /stomp HTTP/1.1\r\n"}, refused + "speaks plain STOMP, and not HTTP"},
		{"HTTP, whole", []string{upgradeRequest(n.tcp)}, refused + "speaks plain STOMP, and not HTTP"},
		{"TLS", []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}, refused + "speaks plain STOMP without TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := n.dialRaw(t, n.tcp)
			for _, w := range c.wire {
				conn.write(w)
			}
			got, err := conn.in.ReadString(0)
			if err != nil || !strings.HasPrefix(got, c.want) {
				t.Fatalf("got %q, %v; want %q", got, err, c.want)
			}
			if c.want != connected {
				conn.wantEnd()
			}
		})
	}
}

// wantPongs reads until so many pongs have come.
func (c *raw) wantPongs(n int) {
	c.t.Helper()
	for n > 0 {
		first, _, err := c.read()
		if err != nil {
			c.t.Fatalf("%d pongs are missing: %v", n, err)
		}
		if first == pong {
			n--
		}
	}
}

// padded makes a request of size bytes.
func padded(request string, size int) string {
	const name = "X-Pad: "
	return strings.TrimSuffix(request, "\r\n") + name + strings.Repeat("x", size-len(request)-len(name)-2) + "\r\n\r\n"
}

// TestNoRequest holds that a connection which asks for nothing is closed, whatever it dribbles.
func TestNoRequest(t *testing.T) {
	t.Parallel()
	eachSocket(t, testNoRequest)
}

func testNoRequest(t *testing.T, start startFunc) {
	n := start(t, connectWithin(100*time.Millisecond))
	for name, wire := range map[string]string{"nothing": "", "half a request": upgradeRequest(n.web)[:50]} {
		t.Run(name, func(t *testing.T) {
			c := n.dialRaw(t, n.web)
			c.write(wire)
			c.wantEOF()
		})
	}
}

// TestConnectionLimit holds that connections over the limit are closed, and those there are live.
func TestConnectionLimit(t *testing.T) {
	const limit = 5
	for name, occupy := range map[string]func(t *testing.T, n *node) (leave func()){
		"TCP": func(t *testing.T, n *node) func() {
			c := n.dialTCP(t).connect()
			return func() { c.subscribe("0", "/topic/x"); c.conn.Close() }
		},
		"WebSocket": func(t *testing.T, n *node) func() {
			c := n.session(t)
			return func() { c.wantAlive(); c.conn.Close() }
		},
		"page": func(t *testing.T, n *node) func() {
			c := n.dialRaw(t, n.web)
			c.write(pageRequest)
			c.wantPage("GET /page?x=1 ")
			return func() { c.write(pageRequest); c.wantPage("GET /page?x=1 "); c.conn.Close() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, pages(), gateway.WithLimits(gateway.Limits{Message: 64 << 10, Outbound: 1 << 20, Connections: limit, ConnectTimeout: patience}))
			var leave []func()
			for range limit {
				leave = append(leave, occupy(t, n))
			}
			for _, address := range []string{n.web, n.tcp} {
				n.dialRaw(t, address).wantEnd()
			}
			for _, leave := range leave {
				leave()
			}
			for { // until a place is free
				c := n.dialRaw(t, n.web)
				io.WriteString(c.conn, pageRequest)
				_, err := http.ReadResponse(c.in, nil)
				c.conn.Close()
				if err == nil {
					return
				}
			}
		})
	}
}

// isClosed reports whether the other side has closed, in peace or not.
func isClosed(err error) bool {
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}

// TestEndpoint holds that the endpoint's path can be another, for WebSocket and for SockJS.
func TestEndpoint(t *testing.T) {
	n := start(t, gateway.WithEndpoint("/ws/b-c/chat"))
	b := n.browser(t, first)
	for path, status := range map[string]int{"/ws/b-c/chat": 101, "/ws/b-c/chat/websocket": 101, "/ws/b-c": 404, "/stomp": 404, "/ws/b-c/chat/": 200} {
		b.upgradeAt(path).response(status)
	}
	b.get("/ws/b-c/chat/info").wantStatus(200)
	b.get("/stomp/info").wantStatus(404)
	for _, tr := range overHTTP() {
		b.session(tr, "/ws/b-c/chat")
	}
}

// TestServeHTTP is the gateway as a handler in somebody else's server.
func TestServeHTTP(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(http.Handler) *httptest.Server{
		"plain": httptest.NewServer,
		"TLS":   httptest.NewTLSServer,
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, sockJS(), pages())
			server := serve(n)
			defer server.Close()
			dial := func() net.Conn {
				if server.TLS == nil {
					return n.dial(server.Listener.Addr().String())
				}
				config := server.Client().Transport.(*http.Transport).TLSClientConfig
				return n.dialTLS(t, server.Listener.Addr().String(), config).conn
			}
			t.Run("session", func(t *testing.T) {
				c := newRaw(t, dial())
				c.write(pageRequest + upgradeRequest("test") + frame(text, connectFrame))
				c.wantPage("GET /page?x=1 ")
				c.response(http.StatusSwitchingProtocols)
				c.wantMessage("CONNECTED\n")
				c.wantAlive()
				c.write(closeFrame(1000, ""))
				c.wantClose(1000)
			})
			for _, w := range []way{first, kept} {
				for _, tr := range allTransports() {
					t.Run(string(w)+" "+tr.name, func(t *testing.T) {
						b := &browser{t: t, way: w, dial: dial}
						defer b.close()
						testSockJSEcho(t, b.session(tr, "/echo"))
						c := newClient(t, b.session(tr, "/stomp")).connect()
						c.wantAlive()
						c.send("DISCONNECT\n\n^@")
						c.wantCloseFrame(`c[1000,""]`)
					})
				}
			}
			n.stop()
			b := &browser{t: t, way: first, dial: dial}
			b.upgradeAt("/stomp").response(http.StatusServiceUnavailable)
			for _, tr := range overHTTP() {
				b.ask(tr.method, newPath("/stomp")+tr.receive, "").wantStatus(http.StatusServiceUnavailable)
			}
			b.close()
		})
	}
}

// TestNoHijack is a server that can't give its connections away.
func TestNoHijack(t *testing.T) {
	n := start(t, sockJS())
	want := func(r *http.Request, status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		if n.ServeHTTP(w, r); w.Code != status || !strings.Contains(w.Body.String(), body) {
			t.Errorf("%s: %d %q", r.URL, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest("GET", "/stomp", nil)
	want(r, 200, "Welcome to SockJS!\n")
	for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"} {
		r.Header.Set(name, value)
	}
	want(r, http.StatusInternalServerError, "can't upgrade")
	for _, tr := range overHTTP() {
		want(httptest.NewRequest(tr.method, newPath("/stomp")+tr.receive, nil), http.StatusInternalServerError, "can't let a request wait")
	}
}
