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
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stompgw/stompgw/gateway"
)

// patientSockJS has sessions wait for a receiver as long as a test may take, so that a busy machine ends none.
func patientSockJS() gateway.SockJS {
	s := gateway.DefaultSockJS()
	s.SessionTimeout = time.Hour
	return s
}

// sockJS is SockJS with its echo services, and with what a test changes.
func sockJS(change ...func(*gateway.SockJS)) gateway.Option {
	s := patientSockJS()
	s.Echo, s.ClientURL = true, "/sockjs.min.js"
	for _, c := range change {
		c(&s)
	}
	return gateway.WithSockJS(&s)
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

	mu   sync.Mutex // a test may end while Read goes on
	last net.Conn   // the one that Close closes
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
	s.use(s.in.conn.conn)
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
		s.use(c.conn)
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
		case kind == ping:
			io.WriteString(s.ws.conn, frame(pong, payload)) // it fails when the server has gone, which read tells
		case kind != pong:
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		return s.last.Close()
	}
	return nil
}

func (s *sock) use(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = c
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
