package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// upgradeModes are the ways in which an upgrade reaches the node. The answer is the same.
func upgradeModes() map[string]func(t *testing.T, n *node) *raw {
	return map[string]func(t *testing.T, n *node) *raw{
		"first request": func(t *testing.T, n *node) *raw { return n.dialRaw(t, n.web) },
		"after a page": func(t *testing.T, n *node) *raw {
			c := n.dialRaw(t, n.web)
			c.write("GET / HTTP/1.1\r\nHost: " + n.web + "\r\n\r\n")
			c.response(http.StatusNotFound)
			return c
		},
	}
}

// TestUpgrade is RFC 6455 section 4.2.1: which requests are upgraded. Each row changes something of
// upgradeRequest.
func TestUpgrade(t *testing.T) {
	n := start(t)
	for _, c := range []struct {
		name     string
		old, new string
		status   int
	}{
		{"as it should be", "", "", 101},
		{"query", "/stomp ", "/stomp?token=x&y ", 101},
		{"at /stomp/websocket", "/stomp ", "/stomp/websocket ", 101},
		{"at /stomp/websocket with a query", "/stomp ", "/stomp/websocket?a=b ", 101},
		{"escaped path", "/stomp ", "/%73tomp ", 101},
		{"absolute target", "/stomp ", "http://" + n.web + "/stomp ", 101},
		{"names in lower case", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key", "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-key", 101},
		{"names in upper case", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key", "UPGRADE: websocket\r\nCONNECTION: Upgrade\r\nSEC-WEBSOCKET-KEY", 101},
		{"Upgrade value in another case", ": websocket", ": WebSocket", 101},
		{"Connection value in another case", ": Upgrade", ": upgrade", 101},
		{"several Connection tokens", ": Upgrade", ": keep-alive, Upgrade", 101},
		{"Connection tokens without a space", ": Upgrade", ": keep-alive,upgrade", 101},
		{"two Connection lines", "Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade", 101},
		{"several Upgrade values", ": websocket", ": h2c, websocket", 101},
		{"no spaces after colons", "Upgrade: websocket", "Upgrade:websocket", 101},
		{"spaces around a value", ": 13", ":   13  ", 101},
		{"lines without carriage returns", "\r\n", "\n", 101},
		{"a cookie of 8 KiB", "Upgrade: websocket", "Cookie: a=" + strings.Repeat("x", 8<<10) + "\r\nUpgrade: websocket", 101},
		{"an extension is not agreed to", "Upgrade: websocket", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nUpgrade: websocket", 101},

		{"no Upgrade, which SockJS greets", "Upgrade: websocket\r\n", "", 200},
		{"another Upgrade, which clients of HTTP/2 ask for everywhere", ": websocket", ": h2c", 200},
		{"Upgrade that only looks alike", ": websocket", ": websockets", 426},
		{"no Connection", "Connection: Upgrade\r\n", "", 400},
		{"another Connection", ": Upgrade", ": keep-alive", 400},
		{"no key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400},
		{"empty key", "dGhlIHNhbXBsZSBub25jZQ==", "", 400},
		{"key of 15 bytes", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400},
		{"key of 18 bytes", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWxl", 400},
		{"key that is not base64", "dGhlIHNhbXBsZSBub25jZQ==", "!GhlIHNhbXBsZSBub25jZQ==", 400},
		{"two keys", "Sec-WebSocket-Version", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version", 400},
		{"no version", "Sec-WebSocket-Version: 13\r\n", "", 426},
		{"version 8", ": 13", ": 8", 426},
		{"version 7", ": 13", ": 7", 426},
		{"version 0", ": 13", ": 0", 426},
		{"version 14", ": 13", ": 14", 426},
		{"version 013", ": 13", ": 013", 426},
		{"several versions", ": 13", ": 13, 8", 426},
		{"two version lines", ": 13", ": 13\r\nSec-WebSocket-Version: 8", 426},
		{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0", 426},
		{"HTTP/1.9, which nobody speaks, is HTTP/1.1", "HTTP/1.1", "HTTP/1.9", 101},
		{"POST", "GET", "POST", 405},
		{"body", "\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx", 400},
		{"chunked body", "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 400},
		{"no Host", "Host: " + n.web + "\r\n", "", 400},
		{"another path", "/stomp ", "/stompx ", 404},
		{"path below", "/stomp ", "/stomp/other ", 404},
		{"path above", "/stomp ", "/ ", 404},
		{"path in another case", "/stomp ", "/STOMP ", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := strings.ReplaceAll(upgradeRequest(n.web), c.old, c.new)
			if c.old == "" {
				request = upgradeRequest(n.web)
			} else if request == upgradeRequest(n.web) {
				t.Fatal("the row changes nothing")
			}
			for mode, dial := range upgradeModes() {
				t.Run(mode, func(t *testing.T) {
					ws := dial(t, n)
					ws.write(request)
					wantUpgradeHeader(t, ws.response(c.status))
					if c.status == http.StatusSwitchingProtocols {
						ws.write(frame(text, connectFrame))
						ws.wantMessage("CONNECTED\n")
					}
				})
			}
		})
	}
}

// wantUpgradeHeader holds that an answer has the header that RFC 6455 section 4.2.2 wants for its
// status, and RFC 9110 section 15.5.22 and 15.5.6.
func wantUpgradeHeader(t testing.TB, r *http.Response) {
	t.Helper()
	want := map[string]string{}
	switch r.StatusCode {
	case http.StatusSwitchingProtocols:
		want = map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
			"Sec-Websocket-Protocol": "", "Sec-Websocket-Extensions": ""}
	case http.StatusUpgradeRequired:
		want = map[string]string{"Upgrade": "websocket", "Sec-Websocket-Version": "13"}
	case http.StatusMethodNotAllowed:
		want = map[string]string{"Allow": "GET"}
	}
	for name, value := range want {
		if got := strings.Join(r.Header[name], "; "); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

// Over HTTP/2 a connection belongs to many requests: those that would take it over are told what they
// need, and no session is begun for them.
func TestHTTP2(t *testing.T) {
	n := start(t)
	server := httptest.NewUnstartedServer(n)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for path, status := range map[string]int{
		"/stomp":                              http.StatusOK,
		"/stomp/0/s/eventsource":              http.StatusHTTPVersionNotSupported,
		"/stomp/0/s/jsonp?c=x":                http.StatusHTTPVersionNotSupported,
		"/stomp/websocket":                    http.StatusUpgradeRequired,
		"/stomp/0/s/eventsource/and/no/other": http.StatusNotFound,
	} {
		r, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.ProtoMajor != 2 || r.StatusCode != status {
			t.Errorf("%s over %s: %s, want %d", path, r.Proto, r.Status, status)
		}
	}
	if c := n.Figures().Connections; c > 0 {
		t.Errorf("%d connections or sessions have begun", c)
	}
}
