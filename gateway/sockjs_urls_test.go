package gateway_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway"
)

// "Session URLs"
func TestSockJSSessionURLs(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("ignoring the server id", func(t *testing.T) {
			b := open(t)
			id := rand.Text()
			b.post("/echo/000/"+id+"/xhr", "").want(200, "o\n")
			b.post("/echo/000/"+id+"/xhr_send", `["a"]`).want(204, "")
			b.post("/echo/999/"+id+"/xhr", "").want(200, "a[\"a\"]\n")
			b.post("/echo/%20/"+id+"/xhr_send", `["b"]`).want(204, "")
			b.post("/echo/000/%"+hex(id[0])+id[1:]+"/xhr", "").want(200, "a[\"b\"]\n") // the same, escaped
		})
		t.Run("another service", func(t *testing.T) {
			b := open(t)
			s := b.session(xhrPolling(), "/echo")
			other := strings.Replace(s.path, "/echo", "/stomp", 1)
			b.post(other+"/xhr_send", `["a"]`).wantStatus(404).text()
			b.post(other+"/xhr", "").want(200, "o\n")
			s.say(`["b"]`)
			s.want(`a["b"]`)
		})
	})
}

func hex(b byte) string { return string([]byte{"0123456789abcdef"[b>>4], "0123456789abcdef"[b&15]}) }

// Each path has its method; another is refused as the protocol does at /websocket.
func TestSockJSMethods(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		session := newPath("/echo")
		for path, allowed := range map[string]string{
			"/stomp":                 "GET",
			"/echo/":                 "GET",
			"/echo/info":             "GET",
			"/echo/iframe.html":      "GET",
			session + "/xhr":         "POST",
			session + "/xhr_send":    "POST",
			session + "/jsonp_send":  "POST",
			session + "/jsonp":       "GET",
			session + "/eventsource": "GET",
			session + "/htmlfile":    "GET",
		} {
			t.Run(path, func(t *testing.T) {
				for _, method := range []string{"GET", "POST", "PUT", "DELETE", "BREW"} {
					if method == allowed {
						continue
					}
					a := open(t).ask(method, path, "")
					a.wantStatus(http.StatusMethodNotAllowed).wantHeader("Content-Type", "")
					if got := a.Header.Get("Allow"); !strings.Contains(got, allowed) {
						t.Errorf("%s: Allow: %q has no %s", method, got, allowed)
					}
					a.want(http.StatusMethodNotAllowed, "")
				}
			})
		}
	})
}

// Who knows a session's id can act as its client: nobody is told it.
func TestSockJSSecretID(t *testing.T) {
	var log lockedBuffer
	n := start(t, sockJS(), pages(), gateway.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	for _, w := range []way{first, later} {
		b := n.browser(t, w)
		var ids []string
		for _, tr := range allTransports() {
			s := b.session(tr, "/stomp")
			ids = append(ids, s.path[strings.LastIndex(s.path, "/")+1:])
			c := newClient(t, s).connect()
			c.subscribe("e", "/session/queue/request-error")
			c.send("SEND\ndestination:/elsewhere\n\n^@")
			seen := c.expect("MESSAGE") + fmt.Sprintf("%+v", n.sessions.Sessions())
			if tr.method != "" {
				b.post(s.path+"/xhr_send", `["`).wantStatus(500).text()
				b.ask("PUT", s.path+tr.receive, "").wantStatus(405).text()
				b.post(s.path+"/xhr_send", "[]", "Origin: https://evil.com").wantForbidden()
			}
			c.send("WHAT\n\n^@")
			seen += c.expect("ERROR")
			c.wantClosed()
			seen += s.end
			if strings.Contains(seen, ids[len(ids)-1]) {
				t.Errorf("%s: %q", tr.name, seen)
			}
		}
		for _, id := range ids {
			if strings.Contains(log.String(), id) {
				t.Errorf("the log has a session id: %s", log.String())
			}
		}
	}
	if !strings.Contains(log.String(), "refused") {
		t.Error("the log has nothing at all")
	}
}
