package gateway_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway"
)

// services are the paths at which a node with echo services speaks SockJS.
func services() []string {
	return []string{"/stomp", "/echo", "/disabled_websocket_echo", "/cookie_needed_echo", "/close"}
}

// All paths below a service are SockJS's, and none beside it.
func TestSockJSPaths(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		b := open(t)
		for _, path := range []string{"/stomp/a", "/stomp/a/b/c", "/echo/a"} {
			b.get(path).wantStatus(404).text()
		}
		for _, path := range []string{"/", "/stomps", "/stomps/info", "/a/stomp/info", "/echoes", "/STOMP/info"} {
			b.get(path).want(200, "GET "+path+" ")
		}
	}, pages())
}

// scriptOf returns where the page that the protocol asks for, word for word, loads the client library
// from.
func (a *answer) scriptOf() string {
	a.t.Helper()
	page := regexp.MustCompile(`^<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="([^"]*)"></script>
  <script>
    document\.domain = document\.domain;
    SockJS\.bootstrap_iframe\(\);
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe\. It's used for cross domain magic\.</p>
</body>
</html>$`)
	body := a.text()
	found := page.FindStringSubmatch(strings.TrimSpace(body))
	if found == nil {
		a.t.Fatalf("got %s %q", a.Status, body)
	}
	return found[1]
}

// "IFrame page"
func TestSockJSIframePage(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		for _, suffix := range []string{"", "-a", "-", "-0.1.2", "-0.1.2abc-dirty.2144"} {
			for _, query := range []string{"", "?t=1234", "?t=qweqweq123"} {
				t.Run("iframe"+suffix+".html"+query, func(t *testing.T) {
					b := open(t)
					for _, service := range services() {
						a := b.get(service + "/iframe" + suffix + ".html" + query)
						a.wantStatus(200).wantType("text/html;charset=UTF-8").wantCached().wantHeader("Set-Cookie", "")
						if a.Header.Get("ETag") == "" {
							t.Error("no ETag")
						}
						if got := a.scriptOf(); got != "/sockjs.min.js" {
							t.Errorf("it loads %q", got)
						}
					}
				})
			}
		}
		t.Run("cacheability", func(t *testing.T) {
			b := open(t)
			tag := func(path string) string {
				a := b.get(path)
				a.text()
				return a.Header.Get("ETag")
			}
			is := tag("/stomp/iframe.html")
			if again := tag("/stomp/iframe-1.html"); is == "" || is != again {
				t.Fatalf("ETag %q, then %q", is, again)
			}
			a := b.get("/stomp/iframe.html", "If-None-Match: "+is)
			a.wantHeader("Content-Type", "").want(http.StatusNotModified, "")
			b.get("/stomp/iframe.html", `If-None-Match: "of another time"`).wantStatus(200).text()
		})
	})
}

// The page is for those who may use the service, and brings the client of the operator's choice.
func TestSockJSIframePageOptions(t *testing.T) {
	const client = "https://cdn.example.com/sockjs-1.6.1.min.js"
	n := start(t, gateway.WithOrigins([]string{"https://app.example.com", "https://*.example.org:8443", "http://localhost:*"}),
		sockJS(func(s *gateway.SockJS) { s.ClientURL = client }))
	for _, w := range []way{first, later} {
		b := n.browser(t, w)
		a := b.get("/stomp/iframe.html")
		policy := a.Header.Get("Content-Security-Policy")
		for _, part := range []string{"frame-ancestors", " 'self'", " https://app.example.com", " https://*.example.org:8443", " http://localhost:*"} {
			if !strings.Contains(policy, part) {
				t.Errorf("Content-Security-Policy: %q has no %q", policy, part)
			}
		}
		if got := a.scriptOf(); got != client {
			t.Errorf("it loads %q", got)
		}
	}
}

// info is what a client learns before it begins a session.
type info struct {
	WebSocket    *bool    `json:"websocket"`
	CookieNeeded *bool    `json:"cookie_needed"`
	Origins      []string `json:"origins"`
	Entropy      *uint32  `json:"entropy"`
}

func (a *answer) info() (i info) {
	a.t.Helper()
	body := a.text()
	if err := json.Unmarshal([]byte(body), &i); err != nil || i.WebSocket == nil || i.CookieNeeded == nil || i.Entropy == nil ||
		len(i.Origins) != 1 || i.Origins[0] != "*:*" {
		a.t.Fatalf("got %s %s, %v", a.Status, body, err)
	}
	return i
}

// "Info test"
func TestSockJSInfo(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("basic", func(t *testing.T) {
			a := open(t).get("/echo/info", "Origin: test")
			a.wantStatus(200).wantType("application/json;charset=UTF-8").wantNotCached().wantCORS("test").wantVary("Origin").
				wantHeader("Set-Cookie", "")
			a.info()
		})
		for service, want := range map[string]struct{ webSocket, cookieNeeded bool }{
			"/stomp": {true, false}, "/echo": {true, false}, "/close": {true, false},
			"/disabled_websocket_echo": {false, false}, "/cookie_needed_echo": {true, true},
		} {
			t.Run(service, func(t *testing.T) {
				b := open(t)
				for _, path := range []string{service, service + "/", service + "?t=1"} { // "Greeting url"
					b.get(path).wantType("text/plain;charset=UTF-8").wantHeader("Set-Cookie", "").want(200, "Welcome to SockJS!\n")
				}
				i := b.get(service+"/info").wantStatus(200).wantHeader("Set-Cookie", "").info()
				if *i.WebSocket != want.webSocket || *i.CookieNeeded != want.cookieNeeded {
					t.Errorf("websocket %v, cookie_needed %v", *i.WebSocket, *i.CookieNeeded)
				}
			})
		}
		t.Run("entropy", func(t *testing.T) {
			b := open(t)
			const ask = 16
			seen, or := map[uint32]bool{}, uint32(0)
			for range ask {
				n := *b.get("/echo/info").info().Entropy
				seen[n] = true
				or |= n
			}
			if len(seen) < ask-1 || or < 1<<31 {
				t.Errorf("of %d numbers %d differ, and the highest bit is in none of those up to %#x", ask, len(seen), or)
			}
		})
		t.Run("options", func(t *testing.T) { open(t).wantPreflight("/echo/info", "OPTIONS, GET") })
	})
}

// wantPreflight holds what all answers to OPTIONS have.
func (b *browser) wantPreflight(path, methods string) {
	b.t.Helper()
	for _, origin := range []string{"test", "null", "https://example.com:8443"} {
		a := b.ask(http.MethodOptions, path, "", "Origin: "+origin, "Access-Control-Request-Method: "+methods)
		if a.StatusCode != http.StatusNoContent && a.StatusCode != http.StatusOK {
			b.t.Fatalf("%s: %s", path, a.Status)
		}
		a.wantCached().wantCORS(origin).wantVary("Origin").wantHeader("Set-Cookie", "").want(a.StatusCode, "")
		if age := a.Header.Get("Access-Control-Max-Age"); len(age) < len("1000001") {
			b.t.Errorf("Access-Control-Max-Age: %q", age)
		}
		for method := range strings.SplitSeq(methods, ", ") {
			if got := a.Header.Get("Access-Control-Allow-Methods"); !strings.Contains(got, method) {
				b.t.Errorf("Access-Control-Allow-Methods: %q has no %s", got, method)
			}
		}
	}
}

// Without SockJS the endpoint is for WebSocket alone.
func TestSockJSOff(t *testing.T) {
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, gateway.WithSockJS(nil), pages())
		for _, w := range []way{first, later} {
			t.Run(string(w), func(t *testing.T) {
				b := n.browser(t, w)
				wantUpgradeHeader(t, b.get("/stomp").wantStatus(426).Response)
				for _, path := range []string{"/stomp/", "/stomp/info", "/stomp/iframe.html", "/echo", "/echo/info"} {
					b.get(path).want(200, "GET "+path+" ")
				}
				b.post("/stomp/000/a/xhr", "").want(200, "POST /stomp/000/a/xhr ")
				for _, path := range []string{"/stomp", "/stomp/websocket"} {
					c, err := b.connection()
					if err != nil {
						t.Fatal(err)
					}
					c.write(strings.Replace(upgradeRequest(n.web), "/stomp", path, 1))
					c.response(101)
				}
			})
		}
	})
}

// The echo services are for tests alone.
func TestSockJSEchoOff(t *testing.T) {
	for name, n := range map[string]*node{
		"default": start(t),
		"off":     start(t, sockJS(func(s *gateway.SockJS) { s.Echo = false })),
	} {
		t.Run(name, func(t *testing.T) {
			b := n.browser(t, first)
			for _, service := range services()[1:] {
				for _, path := range []string{"", "/", "/info", "/iframe.html", "/websocket"} {
					b.get(service + path).wantStatus(404)
				}
				b.post(service+"/000/a/xhr", "").wantStatus(404)
			}
			b.get("/stomp/info").wantStatus(200)
		})
	}
}

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
	var log bustest.Log
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
