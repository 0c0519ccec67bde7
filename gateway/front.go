package gateway

import (
	"bufio"
	"bytes"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/internal/tcp"
)

const (
	maxRequestHead = 16 << 10    // bytes of an HTTP request head
	answerLinger   = time.Second // for a client to take an HTTP error
)

// front is the Handler of a connection to the HTTP port that has no request. It waits for the head of
// one: an upgrade, and a request by which a SockJS client receives, are answered in place. All else, and
// what is wrong with those, is given to net/http with the bytes that were read.
type front struct {
	gateway *Gateway
	engine  *engine
	host    *session.Host
	sock    *loop.Conn
	unsent  int // bytes of the answer to an earlier request that were on their way at the last Timeout, or when it began
}

func (g *Gateway) newFront(e *engine, host *session.Host) func(*loop.Conn) loop.Handler {
	return func(c *loop.Conn) loop.Handler {
		c.SetTimer(g.set.limits.ConnectTimeout)
		return &front{gateway: g, engine: e, host: host, sock: c}
	}
}

// Feed implements loop.Handler. Empty lines before a request are left out (RFC 9112 section 2.2).
func (f *front) Feed(b []byte) (taken int) {
	for taken < len(b) && (b[taken] == '\r' || b[taken] == '\n') {
		taken++
	}
	if taken == len(b) {
		return taken
	}
	return taken + f.request(b[taken:])
}

// request takes a request, if b holds all of its head.
func (f *front) request(b []byte) (taken int) {
	size := headSize(b)
	switch {
	case tcp.IsProxyLine(b):
		f.refuse(http.StatusBadRequest, tcp.NoProxy)
		return len(b)
	case !isHTTP(b[0]):
		f.refuse(http.StatusBadRequest, notHTTP)
		return len(b)
	case size > maxRequestHead || size == 0 && len(b) > maxRequestHead:
		f.refuse(http.StatusRequestHeaderFieldsTooLarge, "the request head is over "+strconv.Itoa(maxRequestHead)+" bytes")
		return len(b)
	case size == 0:
		return 0
	}
	r, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(b[:size]), size))
	if err != nil {
		f.refuse(http.StatusBadRequest, "this HTTP request is malformed")
		return len(b)
	}
	m, at := f.gateway.find(r.URL)
	switch {
	case f.gateway.turnsAway(m, at):
		f.refuse(http.StatusServiceUnavailable, tryAnother)
		return len(b)
	case m == nil:
		f.giveAway(b)
		return len(b)
	}
	if answer := f.gateway.upgrade(m, at, r); answer != nil {
		f.sock.Queue(answer)
		f.sock.Handle(f.gateway.newWebSocket(m, at, f.host)(f.sock))
		return size
	}
	taken, ok := f.receive(m, at, r, size, b)
	if !ok {
		f.giveAway(b)
		return len(b)
	}
	return taken
}

const notHTTP = "this port speaks HTTP and WebSocket, and this is neither; TLS and STOMP over TCP have ports of their own"

// giveAway hands the connection to net/http.
func (f *front) giveAway(b []byte) {
	nc, rest, err := f.sock.Detach(0, b)
	if err != nil {
		f.gateway.set.lines.lost.Log(f.gateway.set.log, slog.LevelWarn, "a connection can't be given to net/http", "err", err)
		return
	}
	if !f.engine.http.give(&prefixed{Conn: nc, rest: rest}) {
		nc.Close() // that many wait already; the client will try again
	}
}

// refuse answers what net/http need not see.
func (f *front) refuse(status int, reason string) {
	f.sock.Queue([]byte("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) +
		"\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: " +
		strconv.Itoa(len(reason)+1) + "\r\n\r\n" + reason + "\n"))
	f.sock.Finish(answerLinger)
}

// Timeout implements loop.Handler: no request came. A client that is still taking the answer to the
// last one has had no time for another; one that has taken nothing of it is not waited for.
func (f *front) Timeout() {
	if n := f.sock.Outstanding(); n > 0 && n < f.unsent {
		f.unsent = n
		f.sock.SetTimer(pollIdle)
		return
	}
	f.sock.Finish(answerLinger)
}

// Overflow implements loop.Handler. Nothing this long is ever queued here.
func (f *front) Overflow() { f.sock.Abort() }

// Closed implements loop.Handler.
func (f *front) Closed(error) {}

// Drain closes the connection because the node stops. While there are sessions whose client may be
// about to send a request on it, it stays.
func (f *front) Drain() bool {
	if !f.engine.isShut.Load() {
		return false
	}
	f.sock.Finish(answerLinger)
	return true
}

// isHTTP reports whether a request may begin with c, as all methods that exist do. A TLS handshake
// does not, and would be waited for in vain.
func isHTTP(c byte) bool { return 'A' <= c && c <= 'Z' }

// headSize is the size of the request head at the beginning of b, with the blank line that ends
// it; 0 if it does not end in b. Lines may end without a carriage return (RFC 9112 section 2.2).
func headSize(b []byte) int {
	size := 0
	for _, blank := range []string{"\n\r\n", "\n\n"} {
		if i := bytes.Index(b, []byte(blank)); i >= 0 && (size == 0 || i+len(blank) < size) {
			size = i + len(blank)
		}
	}
	return size
}
