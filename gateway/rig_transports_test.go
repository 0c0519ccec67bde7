package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// transport is one of the ways in which SockJS messages travel.
type transport struct {
	name    string // as the registry has it
	method  string // of a receiver's request
	receive string // its path, below the session's
	send    string // path of a sender's request
	kind    string // of the answer's content
	streams bool
	prelude func(*bufio.Reader) error
	next    func(*bufio.Reader) (frame string, err error) // io.EOF at the end of an answer
}

const javascript = "application/javascript;charset=UTF-8"

func xhrPolling() transport {
	return transport{"xhr-polling", "POST", "/xhr", "/xhr_send", javascript, false, noPrelude, nextLine}
}

func xhrStreaming() transport {
	return transport{"xhr-streaming", "POST", "/xhr_streaming", "/xhr_send", javascript, true, literal(strings.Repeat("h", 2048) + "\n"), nextLine}
}

// sockWebSocket is SockJS's own WebSocket, which has no other paths.
func sockWebSocket() transport { return transport{name: "sockjs-websocket"} }

// polling are the transports of which an answer has one frame.
func polling() []transport {
	return []transport{xhrPolling(), {"jsonp-polling", "GET", "/jsonp?c=cb", "/jsonp_send", javascript, false, noPrelude, nextJSONP}}
}

// streaming are those whose answers go on.
func streaming() []transport {
	return []transport{
		xhrStreaming(),
		{"eventsource", "GET", "/eventsource", "/xhr_send", "text/event-stream", true, literal("\r\n"), nextEvent},
		{"htmlfile", "GET", "/htmlfile?c=cb", "/xhr_send", "text/html;charset=UTF-8", true, htmlPrelude, nextScript},
	}
}

// overHTTP are those that WebSocket is not.
func overHTTP() []transport { return append(polling(), streaming()...) }

func allTransports() []transport { return append(overHTTP(), sockWebSocket()) }

// ofElement tells those that a page asks for as an element, without an Origin.
func (tr transport) ofElement() bool { return strings.Contains(tr.receive, "?c=") }

// oneOfEach are one that polls, one that streams, and the WebSocket: to a session above them, the
// others are the same.
func oneOfEach() []transport { return []transport{xhrPolling(), xhrStreaming(), sockWebSocket()} }

func noPrelude(*bufio.Reader) error { return nil }

func literal(want string) func(*bufio.Reader) error {
	return func(r *bufio.Reader) error {
		b := make([]byte, len(want))
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		if string(b) != want {
			return fmt.Errorf("got %.300q, want %.300q", b, want)
		}
		return nil
	}
}

// htmlHead is what an htmlfile begins with, for the callback %s.
const htmlHead = `<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.%s;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>`

// htmlPrelude is the head, and white space that makes browsers show it at once.
func htmlPrelude(r *bufio.Reader) error {
	head := fmt.Sprintf(htmlHead, "cb")
	if err := literal(head)(r); err != nil {
		return err
	}
	for n := len(head); ; n++ {
		b, err := r.Peek(1)
		switch {
		case err != nil:
			return err
		case strings.ContainsAny(string(b), " \r\n"):
			r.Discard(1)
		case n > 1024:
			return nil
		default:
			return fmt.Errorf("only %d bytes come before the first frame", n)
		}
	}
}

// between reads a line, and cuts what must be around it.
func between(r *bufio.Reader, before, after string) (string, error) {
	line, err := r.ReadString('\n')
	if err == io.EOF && line != "" {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", err
	}
	rest, begins := strings.CutPrefix(line, before)
	rest, ends := strings.CutSuffix(rest, after)
	if !begins || !ends {
		return "", fmt.Errorf("got the line %.300q, want %q before and %q after", line, before, after)
	}
	return rest, nil
}

func nextLine(r *bufio.Reader) (string, error) { return between(r, "", "\n") }

// nextEvent undoes that sockjs-client calls decodeURI with each event: only a percent sign means
// something to it.
func nextEvent(r *bufio.Reader) (string, error) {
	event, err := between(r, "data: ", "\r\n")
	if err != nil {
		return "", err
	}
	if n := strings.Count(event, "%"); n != strings.Count(event, "%25") {
		return "", fmt.Errorf("a percent sign is not escaped in %.300q", event)
	}
	return strings.ReplaceAll(event, "%25", "%"), literal("\r\n")(r)
}

func nextScript(r *bufio.Reader) (string, error) {
	if _, err := between(r, "<script>", "\n"); err != nil {
		return "", err
	}
	quoted, err := between(r, "p(", ");\n")
	if err != nil {
		return "", err
	}
	if err := literal("</script>\r\n")(r); err != nil {
		return "", err
	}
	return unquote(quoted)
}

func nextJSONP(r *bufio.Reader) (string, error) {
	quoted, err := between(r, "/**/cb(", ");\r\n")
	if err != nil {
		return "", err
	}
	return unquote(quoted)
}

// unquote reads a JavaScript string that a page executes: it must not end the script it stands in.
func unquote(quoted string) (s string, err error) {
	if strings.Contains(strings.ToLower(quoted), "</script") || strings.Contains(quoted, "<!--") {
		return "", fmt.Errorf("%.300q ends its script", quoted)
	}
	if err := escapedEnough(quoted); err != nil {
		return "", err
	}
	return s, json.Unmarshal([]byte(quoted), &s)
}

// escapedEnough holds that nothing is on the wire that the server has to escape ("JSON Unicode
// Encoding").
func escapedEnough(wire string) error {
	if !utf8.ValidString(wire) {
		return fmt.Errorf("%.300q is not UTF-8", wire)
	}
	for _, r := range wire {
		switch {
		case r < 0x20, 0x200c <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202f, 0x2060 <= r && r <= 0x206f, r >= 0xfff0:
			return fmt.Errorf("%q is not escaped in %.300q", r, wire)
		}
	}
	return nil
}
