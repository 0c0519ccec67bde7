package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/gateway"
)

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

// Nobody gets a cookie unless the operator says so.
func TestSockJSNoCookie(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		for _, service := range []string{"/stomp", "/echo"} {
			for _, tr := range overHTTP() {
				a := open(t).ask(tr.method, newPath(service)+tr.receive, "", "Cookie: JSESSIONID=abcdef")
				a.wantStatus(http.StatusOK).wantHeader("Set-Cookie", "")
			}
		}
	})
}
