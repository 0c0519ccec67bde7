package gateway_test

import (
	"strings"
	"testing"
)

// "XhrPolling"
func TestSockJSXHRPolling(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("options", func(t *testing.T) {
			for _, suffix := range []string{"/xhr", "/xhr_send"} {
				open(t).wantPreflight("/echo/abc/abc"+suffix, "OPTIONS, POST")
			}
		})
		t.Run("transport", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			const script, plain = "application/javascript;charset=UTF-8", "text/plain;charset=UTF-8"
			b.post(path+"/xhr", "", "Origin: test").wantType(script).wantCORS("test").wantVary("Origin").wantNotCached().want(200, "o\n")
			b.post(path+"/xhr_send", `["x"]`, "Origin: test").wantType(plain).wantCORS("test").wantVary("Origin").wantNotCached().want(204, "")
			b.post(path+"/xhr", "").wantType(script).wantNotCached().want(200, "a[\"x\"]\n")
		})
		t.Run("invalid session", func(t *testing.T) {
			open(t).post(newPath("/echo")+"/xhr_send", `["x"]`).wantStatus(404).text()
		})
		t.Run("invalid JSON", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.post(path+"/xhr", "").want(200, "o\n")
			b.post(path+"/xhr_send", `["x`).wantIn(500, "Broken JSON encoding.")
			b.post(path+"/xhr_send", "").wantIn(500, "Payload expected.")
			b.post(path+"/xhr_send", `["a"]`).want(204, "")
			b.post(path+"/xhr", "").want(200, "a[\"a\"]\n")
		})
		t.Run("content types", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.post(path+"/xhr", "").want(200, "o\n")
			types := []string{"text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8",
				"text/xml; charset=utf-8", "text/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"}
			for _, name := range types {
				b.post(path+"/xhr_send", `["a"]`, "Content-Type: "+name).want(204, "")
			}
			b.post(path+"/xhr", "").want(200, `a["a"`+strings.Repeat(`,"a"`, len(types)-1)+"]\n")
		})
		t.Run("request headers", func(t *testing.T) {
			for _, c := range []struct{ header, want string }{
				{"Access-Control-Request-Headers: a, b, c", "a, b, c"},
				{"Access-Control-Request-Headers: ", ""},
				{"X-Nothing: of the kind", ""},
			} {
				a := open(t).ask("OPTIONS", newPath("/echo")+"/xhr", "", "Origin: test", "Access-Control-Request-Method: POST", c.header)
				a.wantCORS("test").wantHeader("Access-Control-Allow-Headers", c.want).want(a.StatusCode, "")
				if a.StatusCode != 200 && a.StatusCode != 204 {
					t.Error(a.Status)
				}
			}
		})
		t.Run("sending an empty frame", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.post(path+"/xhr", "").want(200, "o\n")
			b.post(path+"/xhr_send", "[]").want(204, "")
			b.post(path+"/xhr_send", " [ ] \r\n").want(204, "")
			b.post(path+"/xhr_send", `["a"]`).want(204, "")
			b.post(path+"/xhr", "").want(200, "a[\"a\"]\n")
		})
		t.Run("a poll that waits", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.post(path+"/xhr", "").want(200, "o\n")
			p := b.parked(xhrPolling(), path)
			b.post(path+"/xhr_send", `["a","b"]`).want(204, "")
			<-p.done
			if p.err != nil {
				t.Fatal(p.err)
			}
			rest := ""
			if got := p.answer.text(); got == "a[\"a\"]\n" { // both, unless the loop was quick
				rest = b.post(path+"/xhr", "").text()
			} else {
				rest = got
			}
			if rest != "a[\"b\"]\n" && rest != "a[\"a\",\"b\"]\n" {
				t.Errorf("got %q", rest)
			}
		})
	})
}

// A receiver's request may have a body, which means nothing.
func TestSockJSPollWithBody(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		b, path := open(t), newPath("/echo")
		for _, want := range []string{"o\n", "a[\"a\"]\n"} {
			b.post(path+"/xhr", `["ignored"]`).want(200, want)
			b.post(path+"/xhr_send", `["a"]`).want(204, "")
		}
		a := b.askRaw(b.fresh(), request("POST", path+"/xhr", strings.Repeat("x", 100<<10)))
		if a.StatusCode != 200 && a.StatusCode != 413 {
			t.Errorf("got %s", a.Status)
		}
	})
}
