package gateway_test

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway"
)

// sockJS is SockJS with its echo services, and with what a test changes. Sessions wait for a
// receiver as long as a test may take, so that a busy machine ends none.
func sockJS(change ...func(*gateway.SockJS)) gateway.Option {
	s := gateway.DefaultSockJS()
	s.Echo, s.SessionTimeout, s.ClientURL = true, time.Hour, "/sockjs.min.js"
	for _, c := range change {
		c(&s)
	}
	return gateway.WithSockJS(&s)
}

// way is how a request comes to the node: another piece of it answers each.
type way string

const (
	first way = "first request"    // on its connection, which a loop reads
	later way = "after a page"     // on a connection that net/http reads by then
	kept  way = "kept connections" // that SockJS requests share, as those of a browser do
)

// browser sends HTTP requests to a node.
type browser struct {
	t    testing.TB
	way  way
	dial func() (net.Conn, error)

	mu   sync.Mutex
	all  []*raw // connections
	idle []*raw // those whose last answer has been read
}

func (n *node) browser(t testing.TB, w way) *browser {
	return &browser{t: t, way: w, dial: func() (net.Conn, error) { return net.Dial("tcp", n.web) }}
}

// eachWay runs a test on every kind of socket, with requests that come in every way.
func eachWay(t *testing.T, test func(t *testing.T, open func(testing.TB) *browser), opts ...gateway.Option) {
	eachSocket(t, func(t *testing.T, start startFunc) {
		n := start(t, append([]gateway.Option{sockJS()}, opts...)...)
		for _, w := range []way{first, later, kept} {
			t.Run(string(w), func(t *testing.T) {
				test(t, func(t testing.TB) *browser { return n.browser(t, w) })
			})
		}
	})
}

// connection returns one that is idle, or another.
func (b *browser) connection() (*raw, error) {
	b.mu.Lock()
	if n := len(b.idle); n > 0 {
		c := b.idle[n-1]
		b.idle = b.idle[:n-1]
		b.mu.Unlock()
		return c, nil
	}
	b.mu.Unlock()
	conn, err := b.dial()
	if err != nil {
		return nil, err
	}
	c := newRaw(b.t, conn)
	b.mu.Lock()
	b.all = append(b.all, c)
	b.mu.Unlock()
	if b.way == later {
		if _, err := io.WriteString(conn, pageRequest); err != nil {
			return nil, err
		}
		page, err := http.ReadResponse(c.in, nil)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, page.Body)
		return c, err
	}
	return c, nil
}

// keep takes back a connection that can be used again.
func (b *browser) keep(c *raw) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.way == kept {
		b.idle = append(b.idle, c)
	}
}

// close closes what the browser has open.
func (b *browser) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.all {
		c.conn.Close()
	}
	b.all, b.idle = nil, nil
}

// request writes a request as browsers do. A POST has a length.
func request(method, path, body string, header ...string) string {
	r := method + " " + path + " HTTP/1.1\r\nHost: test\r\n"
	for _, line := range header {
		r += line + "\r\n"
	}
	if method == http.MethodPost || body != "" {
		r += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return r + "\r\n" + body
}

// pending is a request whose answer may take its time.
type pending struct {
	conn *raw // nil if there is none, and then err says why
	done chan struct{}

	// Not to be read before done is closed.
	answer *answer
	err    error
}

func (b *browser) begin(method, path, body string, header ...string) *pending {
	p := &pending{done: make(chan struct{})}
	if p.conn, p.err = b.connection(); p.err == nil {
		_, p.err = io.WriteString(p.conn.conn, request(method, path, body, header...))
	}
	if p.err != nil {
		close(p.done)
		return p
	}
	go func() {
		defer close(p.done)
		if p.answer, p.err = b.answerOn(p.conn, method); p.err == nil {
			p.answer.keeper = b
		}
	}()
	return p
}

func (b *browser) answerOn(c *raw, method string) (*answer, error) {
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	return &answer{Response: r, t: b.t, conn: c}, nil
}

func (b *browser) try(method, path, body string, header ...string) (*answer, error) {
	p := b.begin(method, path, body, header...)
	<-p.done
	return p.answer, p.err
}

func (b *browser) ask(method, path, body string, header ...string) *answer {
	b.t.Helper()
	a, err := b.try(method, path, body, header...)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (b *browser) get(path string, header ...string) *answer {
	b.t.Helper()
	return b.ask(http.MethodGet, path, "", header...)
}

func (b *browser) post(path, body string, header ...string) *answer {
	b.t.Helper()
	return b.ask(http.MethodPost, path, body, header...)
}

// answer is a response whose body may go on for long.
type answer struct {
	*http.Response
	t      testing.TB
	keeper *browser // of the connection, nil for none
	conn   *raw
	lines  *bufio.Reader // of the body, made when a frame is read
}

// text returns the whole body.
func (a *answer) text() string {
	a.t.Helper()
	body, err := a.rest()
	if err != nil {
		a.t.Fatalf("reading the body of %s: %v", a.Status, err)
	}
	return body
}

func (a *answer) rest() (string, error) {
	body, err := io.ReadAll(a.Body)
	if err == nil && !a.Close && a.keeper != nil {
		a.keeper.keep(a.conn)
	}
	return string(body), err
}

// want reads the whole answer.
func (a *answer) want(status int, body string) *answer {
	a.t.Helper()
	if got := a.text(); a.StatusCode != status || got != body {
		a.t.Fatalf("got %s %.300q, want %d %.300q", a.Status, got, status, body)
	}
	return a
}

// wantStatus does not look at the body.
func (a *answer) wantStatus(status int) *answer {
	a.t.Helper()
	if a.StatusCode != status {
		a.t.Fatalf("got %s %.300q, want %d", a.Status, a.text(), status)
	}
	return a
}

// wantIn is want for a body that has something in it.
func (a *answer) wantIn(status int, part string) {
	a.t.Helper()
	if got := a.text(); a.StatusCode != status || !strings.Contains(got, part) {
		a.t.Fatalf("got %s %.300q, want %d and %q", a.Status, got, status, part)
	}
}

// chunk reads the next chunk just as the server has cut it: a frame each. The last one is empty.
func (a *answer) chunk() string {
	a.t.Helper()
	if len(a.TransferEncoding) != 1 || a.TransferEncoding[0] != "chunked" {
		a.t.Fatalf("not chunked: %s %v", a.Status, a.Header)
	}
	line, err := a.conn.in.ReadString('\n')
	if err != nil {
		a.t.Fatalf("waiting for a chunk: %v", err)
	}
	size, err := strconv.ParseUint(strings.TrimSuffix(line, "\r\n"), 16, 32)
	if err != nil {
		a.t.Fatalf("a chunk begins with %q", line)
	}
	b := make([]byte, size+2)
	if _, err := io.ReadFull(a.conn.in, b); err != nil || string(b[size:]) != "\r\n" {
		a.t.Fatalf("a chunk of %d bytes ends with %.300q, %v", size, b, err)
	}
	return string(b[:size])
}

func (a *answer) wantChunk(want string) {
	a.t.Helper()
	if got := a.chunk(); got != want {
		a.t.Fatalf("got the chunk %.300q, want %.300q", got, want)
	}
}

// wantHeader compares header fields, given by turns with their value; empty is none.
func (a *answer) wantHeader(fields ...string) *answer {
	a.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		if got := strings.Join(a.Header.Values(fields[i]), "; "); got != fields[i+1] {
			a.t.Errorf("%s: %q, want %q", fields[i], got, fields[i+1])
		}
	}
	return a
}

// wantType compares the content type, ignoring spaces.
func (a *answer) wantType(want string) *answer {
	a.t.Helper()
	if got := strings.ReplaceAll(a.Header.Get("Content-Type"), " ", ""); got != want {
		a.t.Errorf("Content-Type: %q, want %q", got, want)
	}
	return a
}

func (a *answer) wantNotCached() *answer {
	a.t.Helper()
	return a.wantHeader("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0", "Expires", "", "Last-Modified", "")
}

// wantCached holds that an answer may be kept for about a year.
func (a *answer) wantCached() *answer {
	a.t.Helper()
	cache := a.Header.Get("Cache-Control")
	_, rest, _ := strings.Cut(cache, "max-age=")
	digits, _, _ := strings.Cut(rest, ",")
	if age, err := strconv.Atoi(digits); !strings.Contains(cache, "public") || err != nil || age < 1e6 {
		a.t.Errorf("Cache-Control: %q", cache)
	}
	if _, err := http.ParseTime(a.Header.Get("Expires")); err != nil {
		a.t.Errorf("Expires: %v", err)
	}
	return a.wantHeader("Last-Modified", "")
}

// wantCORS holds that a page of origin may read the answer, and send cookies.
func (a *answer) wantCORS(origin string) *answer {
	a.t.Helper()
	return a.wantHeader("Access-Control-Allow-Origin", origin, "Access-Control-Allow-Credentials", "true")
}

// wantVary holds that no cache gives one page's answer to another.
func (a *answer) wantVary(field string) *answer {
	a.t.Helper()
	if !strings.Contains(strings.ToLower(strings.Join(a.Header.Values("Vary"), ",")), strings.ToLower(field)) {
		a.t.Errorf("Vary: %q has no %s", a.Header.Values("Vary"), field)
	}
	return a
}

// transport is one of the ways in which SockJS messages travel.
type transport struct {
	name    string // as the registry has it
	method  string // of a receiver's request
	receive string // its path, below the session's
	send    string // path of a sender's request
	streams bool
	prelude func(*bufio.Reader) error
	next    func(*bufio.Reader) (frame string, err error) // io.EOF at the end of an answer
}

func xhrPolling() transport {
	return transport{"xhr-polling", "POST", "/xhr", "/xhr_send", false, noPrelude, nextLine}
}

func xhrStreaming() transport {
	return transport{"xhr-streaming", "POST", "/xhr_streaming", "/xhr_send", true, literal(strings.Repeat("h", 2048) + "\n"), nextLine}
}

// sockWebSocket is SockJS's own WebSocket, which has no other paths.
func sockWebSocket() transport { return transport{name: "sockjs-websocket"} }

// polling are the transports of which an answer has one frame.
func polling() []transport {
	return []transport{xhrPolling(), {"jsonp-polling", "GET", "/jsonp?c=cb", "/jsonp_send", false, noPrelude, nextJSONP}}
}

// streaming are those whose answers go on.
func streaming() []transport {
	return []transport{
		xhrStreaming(),
		{"eventsource", "GET", "/eventsource", "/xhr_send", true, literal("\r\n"), nextEvent},
		{"htmlfile", "GET", "/htmlfile?c=cb", "/xhr_send", true, htmlPrelude, nextScript},
	}
}

// overHTTP are those that WebSocket is not.
func overHTTP() []transport { return append(polling(), streaming()...) }

func allTransports() []transport { return append(overHTTP(), sockWebSocket()) }

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

// sock is a session of SockJS, as its client has it. It is the net.Conn of a STOMP client, too:
// what is written leaves as messages, and what is read has come as messages.
type sock struct {
	*browser
	transport
	path     string  // of the session
	ws       *raw    // of SockJS's WebSocket
	in       *answer // the receiver that is open, nil for none
	answers  int     // that have brought frames
	messages string  // that Read has not returned yet
	end      string  // the close frame, when it has come
}

// newPath is that of a session nobody else has.
func newPath(service string) string { return service + "/000/" + rand.Text() }

// session begins one of a service, and reads its open frame.
func (b *browser) session(tr transport, service string) *sock {
	b.t.Helper()
	s := &sock{browser: b, transport: tr, path: newPath(service)}
	s.want("o")
	return s
}

// frame returns the next frame, over one answer or another.
func (s *sock) frame() (string, error) {
	frame, err := s.anyFrame()
	if err == nil {
		err = escapedEnough(frame)
	}
	return frame, err
}

func (s *sock) anyFrame() (string, error) {
	if s.method == "" {
		return s.frameOfWebSocket()
	}
	for {
		if s.in == nil {
			if err := s.open(); err != nil {
				return "", err
			}
		}
		frame, err := s.transport.next(s.in.lines)
		if err == nil && s.streams {
			return frame, nil
		}
		if err != nil && (err != io.EOF || !s.streams) {
			return "", err
		}
		if end, rest := s.in.rest(); end != "" || rest != nil {
			return "", fmt.Errorf("after the frame %q: %q, %v", frame, end, rest)
		}
		if s.in = nil; err == nil {
			return frame, nil
		}
	}
}

// open asks for a receiver's answer.
func (s *sock) open() (err error) {
	if s.in, err = s.try(s.method, s.path+s.receive, ""); err != nil {
		return err
	}
	if s.in.StatusCode != http.StatusOK {
		body, _ := s.in.rest()
		return fmt.Errorf("%s: %s %.300q", s.receive, s.in.Status, body)
	}
	return s.begun()
}

// begun reads how an answer begins.
func (s *sock) begun() error {
	s.in.lines = bufio.NewReader(s.in.Body)
	s.in.Body = io.NopCloser(s.in.lines)
	s.answers++
	return s.prelude(s.in.lines)
}

func (s *sock) frameOfWebSocket() (string, error) {
	if s.ws == nil {
		c, err := s.connection()
		if err != nil {
			return "", err
		}
		s.ws = c
		c.write(strings.Replace(upgradeRequest("test"), "/stomp", s.path+"/websocket", 1))
		c.response(http.StatusSwitchingProtocols)
		s.answers++
	}
	for {
		switch kind, payload, err := s.ws.read(); {
		case err != nil:
			return "", err
		case kind == closing:
			return "", io.EOF
		case kind == text:
			return payload, nil
		case kind != ping:
			return "", fmt.Errorf("got a frame %#x %q", kind, payload)
		}
	}
}

// want reads the next frame.
func (s *sock) want(frame string) {
	s.t.Helper()
	if got, err := s.frame(); got != frame || err != nil {
		s.t.Fatalf("%s: got %.300q, %v, want %.300q", s.name, got, err, frame)
	}
}

// post sends messages, given as JSON, in a request.
func (s *sock) post(messages string) (*answer, error) {
	if s.transport.send == "/jsonp_send" {
		return s.try("POST", s.path+s.transport.send, "d="+url.QueryEscape(messages), "Content-Type: application/x-www-form-urlencoded")
	}
	return s.try("POST", s.path+s.transport.send, messages)
}

// say sends messages, given as JSON, and waits until they are accepted.
func (s *sock) say(messages string) {
	s.t.Helper()
	if err := s.trySay(messages); err != nil {
		s.t.Fatalf("sending %.300q: %v", messages, err)
	}
}

// errGone tells that the server knows no such session.
var errGone = errors.New("no such session")

func (s *sock) trySay(messages string) error {
	if s.ws != nil {
		_, err := io.WriteString(s.ws.conn, frame(text, messages))
		return err
	}
	a, err := s.post(messages)
	if err != nil {
		return err
	}
	body, err := a.rest()
	switch {
	case err != nil:
		return err
	case a.StatusCode == http.StatusNotFound:
		return errGone
	case s.transport.send == "/jsonp_send" && a.StatusCode == http.StatusOK && body == "ok":
		return nil
	case s.transport.send == "/xhr_send" && a.StatusCode == http.StatusNoContent && body == "":
		return nil
	}
	return fmt.Errorf("%s: %s %.300q", s.transport.send, a.Status, body)
}

// decode returns the messages of a frame that brings some.
func decode(frame string) (messages []string, err error) {
	if !strings.HasPrefix(frame, "a[") {
		return nil, fmt.Errorf("got the frame %.300q, want messages", frame)
	}
	if err := json.Unmarshal([]byte(frame[1:]), &messages); err != nil {
		return nil, fmt.Errorf("%w in %.300q", err, frame)
	}
	return messages, nil
}

// encode makes the JSON of messages.
func encode(messages ...string) string {
	b, err := json.Marshal(messages)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Read implements net.Conn. The close frame is the end.
func (s *sock) Read(b []byte) (int, error) {
	for s.messages == "" {
		if s.end != "" {
			return 0, io.EOF
		}
		frame, err := s.frame()
		switch {
		case err != nil:
			return 0, err
		case strings.HasPrefix(frame, "c["):
			s.end = frame
			s.answerClose()
		case frame != "h":
			list, err := decode(frame)
			if err != nil {
				return 0, err
			}
			s.messages = strings.Join(list, "")
		}
	}
	n := copy(b, s.messages)
	s.messages = s.messages[n:]
	return n, nil
}

// answerClose ends a WebSocket as the server wants it.
func (s *sock) answerClose() {
	if s.ws == nil {
		return
	}
	for {
		kind, _, err := s.ws.read()
		if err != nil {
			return
		}
		if kind == closing {
			io.WriteString(s.ws.conn, closeFrame(1000, "")) // it fails when the server has gone, which is as good
			return
		}
	}
}

// Write implements net.Conn. What nobody takes any more is lost, as with other connections.
func (s *sock) Write(b []byte) (int, error) {
	for rest := string(b); rest != ""; {
		size := min(len(rest), 16<<10)
		for size < len(rest) && !utf8.RuneStart(rest[size]) {
			size--
		}
		if err := s.trySay(encode(rest[:size])); err != nil && err != errGone {
			return 0, err
		}
		rest = rest[size:]
	}
	return len(b), nil
}

// Close implements net.Conn: the client goes, without a word, and its receiver with it.
func (s *sock) Close() error {
	if s.in != nil {
		return s.in.conn.conn.Close()
	}
	if s.ws != nil {
		return s.ws.conn.Close()
	}
	return nil
}

func (s *sock) LocalAddr() net.Addr              { return nil }
func (s *sock) RemoteAddr() net.Addr             { return nil }
func (s *sock) SetDeadline(time.Time) error      { return nil } // each connection has its own
func (s *sock) SetReadDeadline(time.Time) error  { return nil }
func (s *sock) SetWriteDeadline(time.Time) error { return nil }

// dialSock begins a session at the STOMP endpoint.
func (n *node) dialSock(t testing.TB, tr transport) *client {
	t.Helper()
	return newClient(t, n.browser(t, kept).session(tr, "/stomp"))
}

// wantCloseFrame reads to the close frame.
func (c *client) wantCloseFrame(want string) {
	c.t.Helper()
	c.wantClosed()
	if got := c.conn.(*sock).end; got != want {
		c.t.Fatalf("closed with %q, want %q", got, want)
	}
}

// parked returns a request of a receiver that waits for sure: of two, the other has been refused.
func (b *browser) parked(tr transport, path string) *pending {
	b.t.Helper()
	one, two := b.begin(tr.method, path+tr.receive, ""), b.begin(tr.method, path+tr.receive, "")
	refused := one
	select {
	case <-one.done:
		one = two
	case <-two.done:
		refused = two
	}
	refused.want(tr, stillOpen)
	return one
}

const (
	stillOpen   = `c[2010,"Another connection still open"]`
	interrupted = `c[1002,"Connection interrupted"]`
)

// want reads the answer of a receiver, which has just one frame.
func (p *pending) want(tr transport, frame string) {
	<-p.done
	if p.err != nil {
		p.conn.t.Fatal(p.err)
	}
	p.answer.t.Helper()
	p.answer.wantStatus(http.StatusOK).wantFrame(tr, frame)
}

// wantFrame reads an answer that has just one frame.
func (a *answer) wantFrame(tr transport, frame string) {
	a.t.Helper()
	lines := bufio.NewReader(a.Body)
	a.Body = io.NopCloser(lines)
	if err := tr.prelude(lines); err != nil {
		a.t.Fatal(err)
	}
	if got, err := tr.next(lines); got != frame || err != nil {
		a.t.Fatalf("%s: got %.300q, %v, want %.300q", tr.name, got, err, frame)
	}
	a.want(http.StatusOK, "")
}

// eventually waits until something has become true.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
