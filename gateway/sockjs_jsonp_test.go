package gateway_test

import (
	"net/url"
	"testing"
)

const form = "Content-Type: application/x-www-form-urlencoded"

// "JsonpPolling"
func TestSockJSJSONPPolling(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("transport", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			const script = "application/javascript;charset=UTF-8"
			b.get(path+"/jsonp?c=%63allback").wantType(script).wantNotCached().want(200, "/**/callback(\"o\");\r\n")
			b.post(path+"/jsonp_send", "d=%5B%22x%22%5D", form).wantType("text/plain;charset=UTF-8").wantNotCached().want(200, "ok")
			b.get(path+"/jsonp?c=%63allback").wantType(script).wantNotCached().want(200, "/**/callback(\"a[\\\"x\\\"]\");\r\n")
		})
		wantCallback(t, open, "jsonp")
		t.Run("invalid JSON", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"o\");\r\n")
			b.post(path+"/jsonp_send", "d=%5B%22x", form).wantIn(500, "Broken JSON encoding.")
			for _, body := range []string{"", "d=", "p=p"} {
				b.post(path+"/jsonp_send", body, form).wantIn(500, "Payload expected.")
			}
			b.post(path+"/jsonp_send", "d=%5B%22b%22%5D", form).want(200, "ok")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"a[\\\"b\\\"]\");\r\n")
		})
		t.Run("content types", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"o\");\r\n")
			b.post(path+"/jsonp_send", "d=%5B%22abc%22%5D", form).want(200, "ok")
			b.post(path+"/jsonp_send", `["%61bc"]`, "Content-Type: text/plain").want(200, "ok")
			b.post(path+"/jsonp_send", "x=1&d="+url.QueryEscape(`["a+b &"]`)+"&y=2", form+"; charset=utf-8").want(200, "ok")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"a[\\\"abc\\\",\\\"%61bc\\\",\\\"a+b &\\\"]\");\r\n")
		})
		t.Run("close", func(t *testing.T) {
			b, path := open(t), newPath("/close")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"o\");\r\n")
			for range 2 {
				b.get(path+"/jsonp?c=x").want(200, "/**/x(\"c[3000,\\\"Go away!\\\"]\");\r\n")
			}
		})
		t.Run("sending an empty frame", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"o\");\r\n")
			b.post(path+"/jsonp_send", "d=%5B%5D", form).want(200, "ok")
			b.post(path+"/jsonp_send", "d=%5B%22x%22%5D", form).want(200, "ok")
			b.get(path+"/jsonp?c=x").want(200, "/**/x(\"a[\\\"x\\\"]\");\r\n")
		})
	})
}
