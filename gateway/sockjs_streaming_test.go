package gateway_test

import (
	"fmt"
	"strings"
	"testing"
)

// "XhrStreaming"
func TestSockJSXHRStreaming(t *testing.T) {
	prelude := strings.Repeat("h", 2048) + "\n"
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("options", func(t *testing.T) { open(t).wantPreflight("/echo/abc/abc/xhr_streaming", "OPTIONS, POST") })
		t.Run("transport", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			a := b.post(path+"/xhr_streaming", "", "Origin: test").wantStatus(200).wantCORS("test").wantVary("Origin").wantNotCached()
			a.wantType("application/javascript;charset=UTF-8").wantHeader("Content-Length", "")
			a.wantChunk(prelude)
			a.wantChunk("o\n")
			b.post(path+"/xhr_send", `["x"]`).want(204, "")
			a.wantChunk("a[\"x\"]\n")
		})
		t.Run("response limit", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			a := b.post(path+"/xhr_streaming", "")
			a.wantChunk(prelude)
			a.wantChunk("o\n")
			message := `["` + strings.Repeat("x", 128) + `"]`
			for range 31 { // 4,154 octets with the open frame, 4,020 without the last
				b.post(path+"/xhr_send", message).want(204, "")
				a.wantChunk("a" + message + "\n")
			}
			a.wantChunk("")
			a = b.post(path+"/xhr_streaming", "")
			a.wantChunk(prelude)
			b.post(path+"/xhr_send", `["x"]`).want(204, "")
			a.wantChunk("a[\"x\"]\n")
		})
	})
}

// "EventSource"
func TestSockJSEventSource(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("transport", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			a := b.get(path+"/eventsource").wantStatus(200).wantNotCached().wantHeader("Content-Length", "")
			if got := strings.ReplaceAll(a.Header.Get("Content-Type"), " ", ""); got != "text/event-stream" && got != "text/event-stream;charset=UTF-8" {
				t.Errorf("Content-Type: %q", got)
			}
			a.wantChunk("\r\n")
			a.wantChunk("data: o\r\n\r\n")
			b.post(path+"/xhr_send", `["x"]`).want(204, "")
			a.wantChunk("data: a[\"x\"]\r\n\r\n")
			b.post(path+"/xhr_send", `["  \u0000\n\r "]`).want(204, "")
			a.wantChunk(`data: a["  \u0000\n\r "]` + "\r\n\r\n")
		})
		t.Run("content type", func(t *testing.T) { open(t).get(newPath("/echo") + "/eventsource").wantType("text/event-stream") })
		t.Run("of another origin", func(t *testing.T) {
			open(t).get(newPath("/echo")+"/eventsource", "Origin: test").wantStatus(200).wantCORS("test").wantVary("Origin")
		})
	})
}

// "HtmlFile"
func TestSockJSHTMLFile(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(testing.TB) *browser) {
		t.Run("transport", func(t *testing.T) {
			b, path := open(t), newPath("/echo")
			a := b.get(path + "/htmlfile?c=%63allback").wantStatus(200).wantType("text/html;charset=UTF-8").wantNotCached()
			a.wantHeader("Content-Length", "")
			head := a.chunk()
			if strings.TrimSpace(head) != fmt.Sprintf(htmlHead, "callback") || len(head) <= 1024 {
				t.Fatalf("%d bytes: %q", len(head), head)
			}
			a.wantChunk("<script>\np(\"o\");\n</script>\r\n")
			b.post(path+"/xhr_send", `["x"]`).want(204, "")
			a.wantChunk("<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n")
		})
		wantCallback(t, open, "htmlfile")
	})
}

// wantCallback holds that a page names a function, and can't put more into a script.
func wantCallback(t *testing.T, open func(testing.TB) *browser, transport string) {
	t.Run("no callback", func(t *testing.T) {
		b := open(t)
		for _, query := range []string{"", "?", "?c", "?c=", "?d=callback"} {
			b.get("/echo/a/a/"+transport+query).wantIn(500, `"callback" parameter required`)
		}
	})
	t.Run("invalid callback", func(t *testing.T) {
		b := open(t)
		for _, callback := range []string{"%20", "*", "abc(", "abc%28", "a%0ab", "a%00", "a%3Cscript%3E", "a%2Fb", "a[0]", "a%3Bb", "%C3%A9", "a%26b", "a+b", "a%27"} {
			a := b.get("/echo/a/a/" + transport + "?c=" + callback)
			if kind := a.Header.Get("Content-Type"); strings.Contains(kind, "html") || strings.Contains(kind, "javascript") {
				t.Errorf("the refusal of %s is %q", callback, kind)
			}
			a.wantIn(500, `invalid "callback" parameter`)
		}
	})
	t.Run("no session comes of it", func(t *testing.T) {
		b, path := open(t), newPath("/echo")
		b.get(path + "/" + transport + "?c=*").wantStatus(500).text()
		b.post(path+"/xhr_send", `["a"]`).wantStatus(404).text()
	})
	t.Run("any good callback", func(t *testing.T) {
		for _, callback := range []string{"a", "_jp.aB3-x", "a.b.c", "9", "%5Fa", "-"} {
			open(t).get(newPath("/echo") + "/" + transport + "?x=1&c=" + callback + "&t=2").wantStatus(200)
		}
	})
}
