package main

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stompgw/stompgw/gateway/stomp"
)

// frame is what a client reads.
type frame struct {
	command string
	headers map[string]string // the first of each name
	body    string
}

// client is a STOMP 1.2 client over TCP that does nothing by itself. One goroutine reads and one writes.
type client struct {
	conn      net.Conn
	dec       stomp.Decoder
	buf       []byte
	session   string // its key
	principal string
}

func newClient(conn net.Conn) *client {
	return &client{conn: conn, dec: stomp.NewDecoder(&stomp.Limits{Headers: 64, Line: 8 << 10, Head: 32 << 10, Body: 1 << 20}), buf: make([]byte, 2<<10)}
}

// connect opens a session that the test's end closes; headers, names and values by turns, go into its
// CONNECT.
func connect(t testing.TB, addr string, headers ...string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := newClient(conn)
	c.login(t, headers...)
	return c
}

func (c *client) login(t testing.TB, headers ...string) {
	t.Helper()
	c.send(t, "CONNECT", "", append([]string{"accept-version", "1.2", "host", "x"}, headers...)...)
	f := c.expect(t, "CONNECTED")
	c.session, c.principal = f.headers["session"], f.headers["user-name"]
}

// subscribe returns when the subscription is live. Messages must not be under way yet.
func (c *client) subscribe(t testing.TB, destination string) {
	t.Helper()
	c.send(t, "SUBSCRIBE", "", "id", destination, "destination", destination, "receipt", "subscribed")
	c.expect(t, "RECEIPT")
}

// expect reads one frame, which has to have the given command.
func (c *client) expect(t testing.TB, command string) frame {
	t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	f, err := c.read()
	if err != nil || f.command != command {
		t.Fatalf("got %+v, %v; want %s", f, err, command)
	}
	if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	return f
}

// send sends a frame; headers are names and values by turns. CONNECT's have nothing to escape.
func (c *client) send(t testing.TB, command, body string, headers ...string) {
	t.Helper()
	f := stomp.Frame{Command: command, Body: []byte(body)}
	for entry := range slices.Chunk(headers, 2) {
		f.Header = append(f.Header, stomp.Entry{Name: entry[0], Value: []byte(entry[1])})
	}
	if _, err := c.conn.Write(stomp.AppendFrame(nil, stomp.V12, &f)); err != nil {
		t.Fatal(err)
	}
}

// read returns the next frame, and skips heart-beats.
func (c *client) read() (frame, error) {
	var f stomp.Frame
	for {
		err := c.dec.Next(&f)
		if err == nil {
			break
		}
		if !errors.Is(err, stomp.ErrIncomplete) {
			return frame{}, err
		}
		n, err := c.conn.Read(c.buf)
		if err != nil {
			return frame{}, err
		}
		c.dec.Feed(c.buf[:n])
	}
	if f.Command == stomp.CommandConnected {
		c.dec.SetVersion(stomp.V12)
	}
	headers := make(map[string]string, len(f.Header))
	for _, e := range slices.Backward(f.Header) {
		headers[e.Name] = string(e.Value)
	}
	return frame{f.Command, headers, string(f.Body)}, nil
}
