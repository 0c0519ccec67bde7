package front

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

// visitor is the Handler of a connection to the HTTP port that has no request. It waits for the head of
// one: an upgrade, and a request by which a SockJS client receives, are answered in place. All else, and
// what is wrong with those, is given to net/http with the bytes that were read.
type visitor struct {
	door   *Door
	sock   *loop.Conn
	unsent int // bytes of the answer to an earlier request that were on their way at the last Timeout, or when it began
}

func (d *Door) newVisitor(c *loop.Conn) loop.Handler {
	c.SetTimer(d.ConnectTimeout)
	return &visitor{door: d, sock: c}
}

// nextVisitor is newVisitor after an answer.
func (d *Door) nextVisitor(c *loop.Conn) loop.Handler {
	c.SetTimer(pollIdle)
	return &visitor{door: d, sock: c, unsent: c.Outstanding()}
}

// Feed implements loop.Handler. Empty lines before a request are left out (RFC 9112 section 2.2).
func (v *visitor) Feed(b []byte) (taken int) {
	for taken < len(b) && (b[taken] == '\r' || b[taken] == '\n') {
		taken++
	}
	if taken == len(b) {
		return taken
	}
	return taken + v.request(b[taken:])
}

// request takes a request, if b holds all of its head.
func (v *visitor) request(b []byte) (taken int) {
	size := headSize(b)
	switch {
	case tcp.IsProxyLine(b):
		v.refuse(http.StatusBadRequest, tcp.NoProxy)
		return len(b)
	case !isHTTP(b[0]):
		v.refuse(http.StatusBadRequest, notHTTP)
		return len(b)
	case size > maxRequestHead || size == 0 && len(b) > maxRequestHead:
		v.refuse(http.StatusRequestHeaderFieldsTooLarge, "the request head is over "+strconv.Itoa(maxRequestHead)+" bytes")
		return len(b)
	case size == 0:
		return 0
	}
	r, err := http.ReadRequest(bufio.NewReaderSize(bytes.NewReader(b[:size]), size))
	if err != nil {
		v.refuse(http.StatusBadRequest, "this HTTP request is malformed")
		return len(b)
	}
	m, at := v.door.find(r.URL)
	switch {
	case v.door.turnsAway(m, at):
		v.refuse(http.StatusServiceUnavailable, tryAnother)
		return len(b)
	case m == nil:
		v.giveAway(b)
		return len(b)
	}
	if answer := v.door.upgrade(m, at, r); answer != nil {
		v.sock.Queue(answer)
		v.sock.Handle(v.door.newWebSocket(m, at, v.host(), v.sock))
		return size
	}
	taken, ok := v.receive(m, at, r, size, b)
	if !ok {
		v.giveAway(b)
		return len(b)
	}
	return taken
}

const notHTTP = "this port speaks HTTP and WebSocket, and this is neither; TLS and STOMP over TCP have ports of their own"

func (v *visitor) host() *session.Host { return v.door.house.Load().hostOf(v.sock.Loop()) }

// giveAway hands the connection to net/http.
func (v *visitor) giveAway(b []byte) {
	nc, rest, err := v.sock.Detach(0, b)
	if err != nil {
		v.door.lines.lost.Log(v.door.Log, slog.LevelWarn, "a connection can't be given to net/http", "err", err)
		return
	}
	if !v.door.house.Load().http.give(&prefixed{Conn: nc, rest: rest}) {
		nc.Close() // that many wait already; the client will try again
	}
}

// refuse answers what net/http need not see.
func (v *visitor) refuse(status int, reason string) {
	v.sock.Queue([]byte("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) +
		"\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: " +
		strconv.Itoa(len(reason)+1) + "\r\n\r\n" + reason + "\n"))
	v.sock.Finish(answerLinger)
}

// Timeout implements loop.Handler: no request came. A client that is still taking the answer to the
// last one has had no time for another; one that has taken nothing of it is not waited for.
func (v *visitor) Timeout() {
	if n := v.sock.Outstanding(); n > 0 && n < v.unsent {
		v.unsent = n
		v.sock.SetTimer(pollIdle)
		return
	}
	v.sock.Finish(answerLinger)
}

// Overflow implements loop.Handler. Nothing this long is ever queued here.
func (v *visitor) Overflow() { v.sock.Abort() }

// Closed implements loop.Handler.
func (v *visitor) Closed(error) {}

// Drain closes the connection because the node stops. While there are sessions whose client may be
// about to send a request on it, it stays.
func (v *visitor) Drain() bool {
	if !v.door.house.Load().isShut.Load() {
		return false
	}
	v.sock.Finish(answerLinger)
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
