package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

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
