package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway"
)

// TestSockJSOrigin holds that each part of the STOMP endpoint is for the pages that may use it. Which those are: TestOrigin.
func TestSockJSOrigin(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		b := open(t)
		for header, want := range map[string]bool{"Origin: https://app.example.com": true, "Origin: https://evil.com": false} {
			for _, tr := range overHTTP() {
				if tr.ofElement() {
					continue // pages ask for scripts without an Origin
				}
				path := newPath("/stomp")
				if a := b.ask(tr.method, path+tr.receive, "", header); want {
					a.wantStatus(http.StatusOK)
				} else {
					a.wantForbidden()
					b.post(path+"/xhr_send", "[]").wantStatus(http.StatusNotFound).text() // no session has come of it
				}
			}
			ws := b.fresh()
			ws.write(strings.NewReplacer("/stomp", newPath("/stomp")+"/websocket", "Upgrade:", header+"\r\nUpgrade:").Replace(upgradeRequest("test")))
			ws.response(map[bool]int{true: http.StatusSwitchingProtocols, false: http.StatusForbidden}[want])
			s := b.session(xhrPolling(), "/stomp")
			for _, c := range []struct{ method, path, body string }{
				{"POST", s.path + "/xhr_send", "[]"}, {"POST", s.path + "/jsonp_send", "[]"}, {"GET", "/stomp/info", ""},
				{"OPTIONS", "/stomp/info", ""}, {"OPTIONS", s.path + "/xhr", ""}, {"OPTIONS", s.path + "/xhr_send", ""},
				{"OPTIONS", s.path + "/xhr_streaming", ""}, {"OPTIONS", s.path + "/eventsource", ""},
			} {
				switch a := b.ask(c.method, c.path, c.body, header); {
				case !want:
					a.wantForbidden()
				case a.StatusCode >= 300:
					t.Errorf("%s %s: %s", c.method, c.path, a.Status)
				default:
					a.text()
				}
			}
		}
	}, gateway.WithOrigins([]string{"https://app.example.com"}))
}

// wantForbidden holds that a page can't even read its refusal.
func (a *answer) wantForbidden() {
	a.t.Helper()
	a.wantStatus(http.StatusForbidden).wantHeader("Access-Control-Allow-Origin", "", "Access-Control-Allow-Credentials", "").text()
}

// The echo services are for everybody.
func TestSockJSEchoOrigin(t *testing.T) {
	n := start(t, sockJS())
	b := n.browser(t, first)
	b.get("/echo/info", "Origin: https://evil.com").wantCORS("https://evil.com").wantStatus(200)
	b.post(newPath("/echo")+"/xhr", "", "Origin: null").wantCORS("null").want(200, "o\n")
}

// Scripts and frames are asked for without an Origin. What the browser says instead decides.
func TestSockJSScriptOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		patterns []string
		header   string
		want     bool
	}{
		{"nothing said", nil, "X-Nothing: x", true},
		{"same origin", nil, "Sec-Fetch-Site: same-origin", true},
		{"typed in", nil, "Sec-Fetch-Site: none", true},
		{"another site", nil, "Sec-Fetch-Site: cross-site", false},
		{"another site of the same domain", nil, "Sec-Fetch-Site: same-site", false},
		{"referred by another", nil, "Referer: https://evil.com/page", false},
		{"referred by another, who says it is the same", nil, "Sec-Fetch-Site: cross-site\r\nReferer: http://test.evil.com/http://test/", false},
		{"referred by the same", nil, "Referer: http://test/page?x", true},
		{"referred by one that is listed", []string{"https://app.example.com"}, "Sec-Fetch-Site: cross-site\r\nReferer: https://app.example.com/page", true},
		{"referred by one that is not", []string{"https://app.example.com"}, "Sec-Fetch-Site: cross-site\r\nReferer: https://evil.com/https://app.example.com/", false},
		{"all, another site", []string{"*"}, "Sec-Fetch-Site: cross-site", true},
		{"all, referred by another", []string{"*"}, "Referer: https://evil.com/", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := start(t, sockJS(), gateway.WithOrigins(c.patterns))
			for _, w := range []way{first, later} {
				b := n.browser(t, w)
				for _, path := range []string{"/jsonp?c=cb", "/htmlfile?c=cb"} {
					a := b.get(newPath("/stomp")+path, c.header)
					if !c.want {
						a.wantForbidden()
					} else {
						a.wantStatus(http.StatusOK)
					}
				}
			}
		})
	}
}
