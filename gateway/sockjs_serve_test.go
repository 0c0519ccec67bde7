package gateway_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestSockJSServeHTTP is the gateway as a handler in somebody else's server.
func TestSockJSServeHTTP(t *testing.T) {
	for name, serve := range map[string]func(http.Handler) *httptest.Server{
		"plain": httptest.NewServer,
		"TLS":   httptest.NewTLSServer,
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, sockJS(), pages())
			server := serve(n)
			defer server.Close()
			dial := func() (net.Conn, error) {
				if server.TLS == nil {
					return net.Dial("tcp", server.Listener.Addr().String())
				}
				config := server.Client().Transport.(*http.Transport).TLSClientConfig
				return n.dialTLS(t, server.Listener.Addr().String(), config).conn, nil
			}
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
			for _, tr := range overHTTP() {
				b.ask(tr.method, newPath("/stomp")+tr.receive, "").wantStatus(http.StatusServiceUnavailable)
			}
			b.close()
		})
	}
}

// A server that can't give its connections away can't serve what waits.
func TestSockJSNoHijack(t *testing.T) {
	n := start(t, sockJS())
	for _, tr := range overHTTP() {
		w := httptest.NewRecorder()
		n.ServeHTTP(w, httptest.NewRequest(tr.method, newPath("/stomp")+tr.receive, nil))
		if w.Code != http.StatusInternalServerError {
			t.Errorf("%s: %d %q", tr.name, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	n.ServeHTTP(w, httptest.NewRequest("GET", "/stomp", nil))
	if w.Code != 200 || w.Body.String() != "Welcome to SockJS!\n" {
		t.Errorf("the greeting: %d %q", w.Code, w.Body)
	}
}
