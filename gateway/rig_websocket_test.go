package gateway_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The first byte of a whole frame, and of one that the message goes on after.
const (
	text, binaryMsg, closing, ping, pong = 0x81, 0x82, 0x88, 0x89, 0x8a

	textStart, binaryStart, goesOn, ends = 0x01, 0x02, 0x00, 0x80
)

// upgradeRequest is the request of RFC 6455 section 1.3, as it has to be sent to host.
func upgradeRequest(host string) string {
	return "GET /stomp HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
}

// raw is a WebSocket client that sends what bytes it is told to, and is strict about what it gets.
type raw struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (n *node) dialRaw(t testing.TB, address string) *raw {
	t.Helper()
	return newRaw(t, n.dial(address))
}

func newRaw(t testing.TB, conn net.Conn) *raw {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &raw{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// upgrade opens a WebSocket and checks nothing but the status.
func (n *node) upgrade(t testing.TB) *raw {
	t.Helper()
	c := n.dialRaw(t, n.web)
	c.write(upgradeRequest(n.web))
	c.response(http.StatusSwitchingProtocols)
	return c
}

// session opens a STOMP session over a WebSocket.
func (n *node) session(t testing.TB) *raw {
	t.Helper()
	c := n.upgrade(t)
	c.write(frame(text, "CONNECT\naccept-version:1.2\nhost:test\n\n\x00"))
	c.wantMessage("CONNECTED\n")
	return c
}

func (c *raw) write(pieces ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, strings.Join(pieces, "")); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// response reads an HTTP response, with its body in place of the connection's.
func (c *raw) response(status int) *http.Response {
	c.t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatalf("waiting for status %d: %v", status, err)
	}
	body := ""
	if r.StatusCode != http.StatusSwitchingProtocols {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			c.t.Fatalf("reading the body: %v", err)
		}
		body = string(b)
	}
	r.Body = io.NopCloser(strings.NewReader(body))
	if r.StatusCode != status {
		c.t.Fatalf("got %s %q, want %d", r.Status, body, status)
	}
	return r
}

// frame returns a masked frame whose length is written in the fewest bytes.
func frame(first byte, payload string) string {
	switch n := len(payload); {
	case n <= 125:
		return frameOf(first, 7, uint64(n), payload)
	case n <= 0xffff:
		return frameOf(first, 16, uint64(n), payload)
	default:
		return frameOf(first, 64, uint64(n), payload)
	}
}

// frameOf returns a masked frame that claims to have n bytes, in a field of so many bits.
func frameOf(first byte, bits int, n uint64, payload string) string {
	b := []byte{first}
	switch bits {
	case 7:
		b = append(b, 0x80|byte(n))
	case 16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	case 64:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), n)
	}
	mask := [4]byte{0x5a, 0x00, 0xff, 0x0d}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

// closeFrame has a code and a reason.
func closeFrame(code int, reason string) string {
	return frame(closing, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// read returns the next frame, which must be whole, unmasked, of a known kind and as short as it
// can be; and a text message must be UTF-8.
func (c *raw) read() (first byte, payload string, err error) {
	first, payload, short, err := c.frame()
	switch {
	case err != nil:
	case !short:
		err = fmt.Errorf("the length %d is not in the fewest bytes", len(payload))
	case first != text && first != binaryMsg && first != closing && first != ping && first != pong:
		err = fmt.Errorf("the frame begins with %#x", first)
	case first == text && !utf8.ValidString(payload):
		err = fmt.Errorf("the text message %q is not UTF-8", payload)
	}
	return first, payload, err
}

// frame returns the next frame, perhaps a part of a message, and whether its length is in the fewest bytes.
func (c *raw) frame() (first byte, payload string, short bool, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.in, head[:2]); err != nil {
		return 0, "", false, err
	}
	first, n, least := head[0], uint64(head[1]), uint64(0)
	if n >= 0x80 {
		return 0, "", false, errors.New("the server's frame is masked")
	}
	if more := map[uint64]int{126: 2, 127: 8}[n]; more > 0 {
		least = map[int]uint64{2: 126, 8: 1 << 16}[more]
		head = [8]byte{}
		if _, err := io.ReadFull(c.in, head[8-more:]); err != nil {
			return 0, "", false, err
		}
		n = binary.BigEndian.Uint64(head[:])
	}
	b := make([]byte, min(n, 1<<24))
	_, err = io.ReadFull(c.in, b)
	return first, string(b), n >= least, err
}

// want returns the payload of the next frame, which must be of a kind and begin with some bytes.
// Pings of the server may come before, unless one is wanted.
func (c *raw) want(first byte, prefix string) string {
	c.t.Helper()
	got, payload, err := c.read()
	for got == ping && first != ping {
		got, payload, err = c.read()
	}
	if err != nil {
		c.t.Fatalf("waiting for a frame %#x %q: %v", first, prefix, err)
	}
	if got != first || !strings.HasPrefix(payload, prefix) {
		c.t.Fatalf("got a frame %#x %.200q, want %#x %q", got, payload, first, prefix)
	}
	return payload
}

// wantMessage is want for one STOMP frame in a text message.
func (c *raw) wantMessage(prefix string) string {
	c.t.Helper()
	payload := c.want(text, prefix)
	if strings.Count(payload, "\x00") != 1 || !strings.HasSuffix(payload, "\x00") {
		c.t.Fatalf("got %q, want one frame in the message", payload)
	}
	return payload
}

// wantAlive asks for a receipt, which comes next.
func (c *raw) wantAlive() {
	c.t.Helper()
	c.write(frame(text, "SEND\ndestination:/topic/void\nreceipt:alive\n\n\x00"))
	c.wantMessage("RECEIPT\nreceipt-id:alive\n")
}

// wantClose reads a Close frame with a code (0 for none), and then the end of the connection.
func (c *raw) wantClose(code int) {
	c.t.Helper()
	c.wantCode(code)
	c.wantEOF()
}

// wantClosing reads a Close frame, writes something, answers, and reads the end of the connection.
func (c *raw) wantClosing(code int, before string) {
	c.t.Helper()
	c.wantCode(code)
	c.write(before + closeFrame(code, ""))
	c.wantEOF()
}

func (c *raw) wantCode(code int) {
	c.t.Helper()
	payload := c.want(closing, "")
	got := 0
	if len(payload) >= 2 {
		got = int(binary.BigEndian.Uint16([]byte(payload)))
	}
	if got != code {
		c.t.Fatalf("closed with %d %q, want %d", got, payload, code)
	}
}

// wantEOF holds that the server closes its side, and in peace.
func (c *raw) wantEOF() {
	c.t.Helper()
	if _, err := c.in.ReadByte(); err != io.EOF {
		c.t.Fatalf("the connection goes on (%v)", err)
	}
}

// wantEnd holds that the server closes, perhaps with something unread, which makes it a reset.
func (c *raw) wantEnd() {
	c.t.Helper()
	for {
		if _, err := c.in.ReadByte(); isClosed(err) {
			return
		} else if err != nil {
			c.t.Fatalf("the connection goes on (%v)", err)
		}
	}
}

// webSocket is a bare WebSocket as browsers have it: what is read and written are the payloads.
type webSocket struct {
	net.Conn
	raw  *raw
	rest string
	over bool // a Close frame came
}

func (w *webSocket) Read(p []byte) (int, error) {
	for w.rest == "" {
		switch first, payload, err := w.raw.read(); {
		case err != nil:
			return 0, err
		case w.over:
			return 0, fmt.Errorf("%#x %q behind a Close frame", first, payload)
		case first == ping:
			io.WriteString(w.Conn, frame(pong, payload)) // it fails when the server has gone, which read tells
		case first == closing:
			w.over = true
			io.WriteString(w.Conn, frame(closing, payload)) // as above
		case first != pong:
			w.rest = payload
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *webSocket) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Conn, frame(text, string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
