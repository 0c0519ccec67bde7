package natsbus

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// fakeServer speaks just enough of the NATS protocol to say, or not to say, what a test wants.
type fakeServer struct {
	t  *testing.T
	ln net.Listener
}

func newFakeServer(t *testing.T) *fakeServer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &fakeServer{t: t, ln: ln}
}

func (f *fakeServer) url() string { return "nats://" + f.ln.Addr().String() }

// accept takes the next connection through the handshake.
func (f *fakeServer) accept() *fakeConn {
	f.t.Helper()
	nc, err := f.ln.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { nc.Close() })
	c := &fakeConn{t: f.t, Conn: nc, r: bufio.NewReader(nc)}
	c.say(`INFO {"server_id":"fake","server_name":"fake","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576}`)
	if line := c.line(); !strings.HasPrefix(line, "CONNECT ") {
		f.t.Fatalf("got %q, want CONNECT", line)
	}
	c.expect("PING")
	c.say("PONG")
	return c
}

type fakeConn struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (c *fakeConn) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// line returns the next line; of a PUB or HPUB with the payload after it.
func (c *fakeConn) line() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	line = strings.TrimRight(line, " \r\n")
	if !strings.HasPrefix(line, "PUB ") && !strings.HasPrefix(line, "HPUB ") {
		return line
	}
	size, err := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
	if err != nil {
		c.t.Fatal(err)
	}
	payload := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(c.r, payload); err != nil {
		c.t.Fatal(err)
	}
	return line + " " + string(payload[:size])
}

func (c *fakeConn) expect(want string) {
	c.t.Helper()
	if got := c.line(); got != want {
		c.t.Fatalf("the server got %q, want %q", got, want)
	}
}

// expectAnswering is expect, but answers the PINGs before.
func (c *fakeConn) expectAnswering(want string) {
	c.t.Helper()
	for {
		switch line := c.line(); line {
		case want:
			return
		case "PING":
			c.say("PONG")
		default:
			c.t.Fatalf("the server got %q, want %q", line, want)
		}
	}
}

// answerAll answers every PING until the connection ends.
func (c *fakeConn) answerAll() {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return
		}
		if line == "PING\r\n" {
			io.WriteString(c.Conn, "PONG\r\n") // an error ends the next read too
		}
	}
}

// publish publishes body to destination and returns where its done will be heard.
func publish(t *testing.T, b *Bus, destination, body string) <-chan error {
	t.Helper()
	answer := make(chan error, 2)
	err := b.Publish(bus.Envelope{Destination: destination, Body: []byte(body)}, func(err error) { answer <- err })
	if err != nil {
		t.Fatalf("publish %s to %s: %v", body, destination, err)
	}
	return answer
}

func pub(subject, body string) string {
	return fmt.Sprintf("PUB %s %d %s", subject, len(body), body)
}
