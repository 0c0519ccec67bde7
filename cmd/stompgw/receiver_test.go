package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// transport is a way for clients to receive.
type transport struct {
	name     string // as the registry calls it
	path     string // below the endpoint, %s for the session's id
	method   string
	socket   bool // a WebSocket: one request, and the client sends there too
	streams  bool // over HTTP, many messages in one answer
	elements bool // what the client sends is elements of a JSON array
}

func transports() []*transport {
	return []*transport{
		{name: "websocket", method: "GET", socket: true},
		{name: "sockjs-websocket", path: "/0/%s/websocket", method: "GET", socket: true, elements: true},
		{name: "xhr-streaming", path: "/0/%s/xhr_streaming", method: "POST", streams: true, elements: true},
		{name: "eventsource", path: "/0/%s/eventsource", method: "GET", streams: true, elements: true},
		{name: "xhr-polling", path: "/0/%s/xhr", method: "POST", elements: true},
	}
}

// request returns the request by which a session receives.
func (t *transport) request(id string) []byte {
	path := t.path
	if strings.Contains(path, "%s") {
		path = fmt.Sprintf(path, id)
	}
	head := t.method + " /stomp" + path + " HTTP/1.1\r\nHost: x\r\n"
	switch {
	case t.socket:
		head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	case t.method == "POST":
		head += "Content-Length: 0\r\n"
	}
	return []byte(head + "\r\n")
}

// status is what the answer begins with.
func (t *transport) status() string {
	if t.socket {
		return "HTTP/1.1 101"
	}
	return "HTTP/1.1 200"
}

// numbered is a body of 200 bytes with a number that receivers find. Nothing else on the wire looks
// like it.
func numbered(n int) string { return fmt.Sprintf("%-200s", fmt.Sprintf("%s%0*d", mark, digits, n)) }

const (
	mark   = "number="
	digits = 10
	tail   = len(mark) + digits - 1 // bytes that may be the beginning of what the next read completes
)

// receiver is a client that costs little: it looks at nothing but the numbers of messages, which it
// checks, and where an answer ends. One goroutine reads at a time.
type receiver struct {
	transport *transport
	id        string // of the session
	conn      net.Conn
	request   []byte
	buf       []byte
	kept      int  // bytes of buf that were read before
	begun     bool // the status of the answer has been seen
	live      bool // the RECEIPT for SUBSCRIBE has come
	next      int  // number of the next message
	answers   int  // that have ended
}

// dialReceiver sends the first request.
func dialReceiver(addr string, t *transport, id string) (*receiver, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	r := &receiver{transport: t, id: id, conn: conn, request: t.request(id), buf: make([]byte, 4<<10)}
	// A reset leaves no port behind that has to wait.
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		return r, err
	}
	_, err = conn.Write(r.request)
	return r, err
}

// subscribe begins the STOMP session, and returns when the subscription is live and the client waits
// for messages. poster is for what the client sends over HTTP.
func (r *receiver) subscribe(poster *poster, destination string) error {
	if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for !r.begun && r.answers == 0 {
		if _, err := r.step(); err != nil {
			return err
		}
	}
	if err := r.send(poster,
		"CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n\n\x00",
		"SUBSCRIBE\nid:0\ndestination:"+destination+"\nreceipt:live\n\n\x00",
	); err != nil {
		return err
	}
	for !r.live {
		if _, err := r.step(); err != nil {
			return err
		}
	}
	return r.conn.SetReadDeadline(time.Time{})
}

func (r *receiver) send(poster *poster, frames ...string) error {
	payload := []byte(strings.Join(frames, ""))
	if r.transport.elements {
		payload, _ = json.Marshal(frames) // strings don't fail
	}
	if !r.transport.socket {
		return poster.post("/stomp/0/"+r.id+"/xhr_send", payload)
	}
	_, err := r.conn.Write(masked(0x1, payload))
	return err
}

// masked returns a whole WebSocket frame of at most 64 KiB with a mask that changes nothing.
func masked(op byte, payload []byte) []byte {
	const fin, mask, twoBytes = 0x80, 0x80, 126
	b := []byte{fin | op, mask | byte(len(payload))}
	if len(payload) >= twoBytes {
		b = []byte{fin | op, mask | twoBytes, byte(len(payload) >> 8), byte(len(payload))}
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// step reads once and returns how many messages that has completed. It asks again when an answer has
// ended.
func (r *receiver) step() (messages int, err error) {
	n, err := r.conn.Read(r.buf[r.kept:])
	if err != nil {
		return 0, err
	}
	seen := r.buf[:r.kept+n]
	if !r.begun {
		status := r.transport.status()
		if len(seen) < len(status) {
			r.kept = len(seen)
			return 0, nil
		}
		if !bytes.HasPrefix(seen, []byte(status)) {
			return 0, fmt.Errorf("%s: answer %q", r.transport.name, seen)
		}
		r.begun = true
	}
	r.live = r.live || bytes.Contains(seen, []byte("receipt-id"))
	messages, rest, err := r.count(seen)
	if err != nil {
		return messages, err
	}
	r.kept = copy(r.buf, rest[max(0, len(rest)-tail):])
	return messages, r.answer(seen)
}

// count checks the numbers in b and returns what is behind the last one.
func (r *receiver) count(b []byte) (messages int, rest []byte, err error) {
	for {
		i := bytes.Index(b, []byte(mark))
		if i < 0 || len(b) < i+len(mark)+digits {
			return messages, b, nil
		}
		b = b[i+len(mark):]
		if n, err := strconv.Atoi(string(b[:digits])); err != nil || n != r.next {
			return messages, b, fmt.Errorf("%s: message %q came instead of %d", r.transport.name, b[:digits], r.next)
		}
		b = b[digits:]
		r.next++
		messages++
	}
}

// answer sends what seen asks for: the next request, or a pong.
func (r *receiver) answer(seen []byte) error {
	switch {
	case r.transport.socket:
		if !bytes.Contains(seen, []byte("\x89\x00")) { // nowhere in text, nor before it
			return nil
		}
		_, err := r.conn.Write(masked(0xa, nil))
		return err
	case r.transport.streams && !bytes.HasSuffix(seen, []byte("\r\n0\r\n\r\n")):
		return nil
	// Only the last line of a polling answer ends so; those of its head end with \r\n.
	case !r.transport.streams && (!bytes.HasSuffix(seen, []byte("\n")) || bytes.HasSuffix(seen, []byte("\r\n"))):
		return nil
	}
	r.begun, r.kept = false, 0
	r.answers++
	_, err := r.conn.Write(r.request)
	return err
}

// poster sends requests that post something, one after another on one connection.
type poster struct {
	conn net.Conn
	buf  []byte
}

func newPoster(addr string) (*poster, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &poster{conn, make([]byte, 4<<10)}, nil
}

// post returns when the server has taken body.
func (p *poster) post(path string, body []byte) error {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", path, len(body))
	if _, err := io.WriteString(p.conn, head+string(body)); err != nil {
		return err
	}
	seen := p.buf[:0]
	for !bytes.Contains(seen, []byte("\r\n\r\n")) && len(seen) < cap(seen) {
		n, err := p.conn.Read(p.buf[len(seen):])
		if err != nil {
			return err
		}
		seen = p.buf[:len(seen)+n]
	}
	if !bytes.HasPrefix(seen, []byte("HTTP/1.1 204 ")) {
		return fmt.Errorf("%s: answer %q", path, seen)
	}
	return nil
}
