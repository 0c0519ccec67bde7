package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/gateway"
)

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
	dial func() net.Conn

	mu   sync.Mutex
	all  []*raw // connections
	idle []*raw // those whose last answer has been read
}

func (n *node) browser(t testing.TB, w way) *browser {
	return &browser{t: t, way: w, dial: func() net.Conn { return n.dial(n.web) }}
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
	c := newRaw(b.t, b.dial())
	b.mu.Lock()
	b.all = append(b.all, c)
	b.mu.Unlock()
	if b.way == later {
		if _, err := io.WriteString(c.conn, pageRequest); err != nil {
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
