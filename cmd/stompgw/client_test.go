package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// frame is what a client reads. The codec of the tests is not that of the gateway.
type frame struct {
	command string
	headers map[string]string // the first of each name
	body    string
}

// client is a STOMP 1.2 client over TCP. One goroutine reads and one writes.
type client struct {
	conn      net.Conn
	r         *bufio.Reader
	session   string // its key
	principal string
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
	c := &client{conn: conn, r: bufio.NewReaderSize(conn, 2<<10)}
	c.send(t, "CONNECT", "", append([]string{"accept-version", "1.2", "host", "x"}, headers...)...)
	f := c.expect(t, "CONNECTED")
	c.session, c.principal = f.headers["session"], f.headers["user-name"]
	return c
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

func (c *client) send(t testing.TB, command, body string, headers ...string) {
	t.Helper()
	if err := c.write(command, body, headers...); err != nil {
		t.Fatal(err)
	}
}

// write sends a frame; headers are names and values by turns.
func (c *client) write(command, body string, headers ...string) error {
	var b strings.Builder
	b.WriteString(command + "\n")
	for i := 0; i < len(headers); i += 2 {
		b.WriteString(escape(headers[i]) + ":" + escape(headers[i+1]) + "\n")
	}
	b.WriteString("\n" + body + "\x00")
	_, err := io.WriteString(c.conn, b.String())
	return err
}

// escape writes a header's name or value; connect's have nothing to escape.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, ":", `\c`).Replace(s)
}

func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\c`, ":", `\r`, "\r").Replace(s)
}

// read returns the next frame, and skips heart-beats.
func (c *client) read() (f frame, err error) {
	for f.command == "" {
		if f.command, err = c.line(); err != nil {
			return f, err
		}
	}
	f.headers = make(map[string]string, 8)
	for {
		line, err := c.line()
		if err != nil {
			return f, err
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		if f.command != "CONNECTED" {
			name, value = unescape(name), unescape(value)
		}
		if _, repeated := f.headers[name]; !repeated {
			f.headers[name] = value
		}
	}
	f.body, err = c.body(f.headers["content-length"])
	return f, err
}

func (c *client) line() (string, error) {
	line, err := c.r.ReadString('\n')
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

// body reads a body of so many bytes, or up to the NUL, and the NUL.
func (c *client) body(length string) (string, error) {
	if length == "" {
		body, err := c.r.ReadString(0)
		return strings.TrimSuffix(body, "\x00"), err
	}
	n, err := strconv.Atoi(length)
	if err != nil {
		return "", fmt.Errorf("content-length %q", length)
	}
	body := make([]byte, n+1)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return "", err
	}
	if body[n] != 0 {
		return "", fmt.Errorf("a body of %d bytes does not end with NUL", n)
	}
	return string(body[:n]), nil
}
