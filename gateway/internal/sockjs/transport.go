package sockjs

import (
	"bytes"
	"net/http"
	"strings"
)

// transport is a way for a client to receive over HTTP.
type transport struct {
	path        string // the last part of its URL
	name        string // as the registry, and the client library, call it
	method      string
	contentType string
	streams     bool // its answer goes on; otherwise it is one frame
	callback    bool // the request names a JavaScript function
	cors        bool // the request says whose page it comes from
	// prelude is what an answer that streams begins with, so that browsers begin to show it.
	prelude func(callback string) string
	// append packs a SockJS frame.
	append func(dst, frame []byte, callback string) []byte
}

const javascript = "application/javascript;charset=UTF-8"

// receiving returns the ways to receive, a section of the protocol each.
func receiving() []*transport {
	return []*transport{{
		path: "xhr", name: "xhr-polling", method: http.MethodPost, contentType: javascript, cors: true,
		append: appendLine,
	}, {
		path: "xhr_streaming", name: "xhr-streaming", method: http.MethodPost, contentType: javascript, cors: true, streams: true,
		prelude: func(string) string { return strings.Repeat("h", 2048) + "\n" },
		append:  appendLine,
	}, {
		path: "eventsource", name: "eventsource", method: http.MethodGet, contentType: "text/event-stream", cors: true, streams: true,
		prelude: func(string) string { return "\r\n" },
		append:  appendEvent,
	}, {
		path: "htmlfile", name: "htmlfile", method: http.MethodGet, contentType: "text/html;charset=UTF-8", callback: true, streams: true,
		prelude: htmlPrelude,
		append: func(dst, frame []byte, _ string) []byte {
			dst = append(dst, "<script>\np(\""...)
			return append(appendEscaped(dst, frame, true), "\");\n</script>\r\n"...)
		},
	}, {
		path: "jsonp", name: "jsonp-polling", method: http.MethodGet, contentType: javascript, callback: true,
		append: func(dst, frame []byte, callback string) []byte {
			dst = append(append(append(dst, "/**/"...), callback...), "(\""...)
			return append(appendEscaped(dst, frame, true), "\");\r\n"...)
		},
	}}
}

func appendLine(dst, frame []byte, _ string) []byte { return append(append(dst, frame...), '\n') }

// appendEvent writes a percent sign, which stands in strings alone, as an escape: sockjs-client takes
// events for URIs and unescapes what follows one.
func appendEvent(dst, frame []byte, _ string) []byte {
	dst = append(dst, "data: "...)
	for i := bytes.IndexByte(frame, '%'); i >= 0; i = bytes.IndexByte(frame, '%') {
		dst = append(append(dst, frame[:i]...), `\u0025`...)
		frame = frame[i+1:]
	}
	return append(append(dst, frame...), "\r\n\r\n"...)
}

// htmlPrelude is the beginning of a page in a hidden frame, which runs each script as it comes. It
// has more than the 1,024 bytes that browsers want before they show any.
func htmlPrelude(callback string) string {
	page := `<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.` + callback + `;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>
`
	return page + strings.Repeat(" ", max(1024-len(page), 0)+1) + "\r\n\r\n"
}

// maxCallback is the most bytes of a callback's name.
const maxCallback = 128

// callbackOf returns the JavaScript function that a request names, or what is wrong with it.
func callbackOf(r *http.Request) (name, fault string) {
	q := r.URL.Query()
	if name = q.Get("c"); name == "" {
		name = q.Get("callback")
	}
	switch {
	case name == "":
		return "", `"callback" parameter required`
	case len(name) > maxCallback || strings.ContainsFunc(name, func(r rune) bool { return !isCallbackRune(r) }):
		return "", `invalid "callback" parameter`
	}
	return strings.Clone(name), "" // not the whole query with it
}

func isCallbackRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
}
