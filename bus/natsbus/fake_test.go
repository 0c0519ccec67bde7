package natsbus

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// fakeServer speaks just enough of the NATS protocol to say, or not to say, what a test wants.
type fakeServer struct {
	t          *testing.T
	ln         net.Listener
	maxPayload int    // that it tells of
	log        events // of the bus
}

func newFakeServer(t *testing.T) *fakeServer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	return &fakeServer{t: t, ln: ln, maxPayload: 1 << 20}
}

func (f *fakeServer) url() string { return "nats://" + f.ln.Addr().String() }

// accept takes the next connection through the handshake, and through the question how long a line may
// be.
func (f *fakeServer) accept() *fakeConn {
	f.t.Helper()
	c := f.greet()
	c.expectProbe()
	c.say("PONG")
	return c
}

// greet takes the next connection through the handshake.
func (f *fakeServer) greet() *fakeConn {
	f.t.Helper()
	nc, err := f.ln.Accept()
	must(f.t, err)
	f.t.Cleanup(func() { nc.Close() })
	c := &fakeConn{t: f.t, Conn: nc, r: bufio.NewReader(nc)}
	c.say(fmt.Sprintf(`INFO {"server_id":"fake","server_name":"fake","version":"2.10.0","proto":1,"headers":true,"max_payload":%d}`, f.maxPayload))
	if line := c.line(); !strings.HasPrefix(line, "CONNECT ") {
		f.t.Fatalf("got %q, want CONNECT", line)
	}
	c.expect("PING")
	c.say("PONG")
	return c
}

// meet returns a bus that is about to connect to a fake server.
func meet(t *testing.T, cfg Config) (*fakeServer, *Bus) {
	t.Helper()
	server := newFakeServer(t)
	cfg.URL = server.url()
	b, log := open(t, cfg)
	server.log = log
	return server, b
}

// talk returns one that is connected, and says so in its log.
func talk(t *testing.T, cfg Config) (*fakeServer, *Bus, *fakeConn) {
	t.Helper()
	server, b := meet(t, cfg)
	conn := server.accept()
	server.log.await("bus connected")
	return server, b, conn
}

type fakeConn struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (c *fakeConn) say(line string) {
	c.t.Helper()
	_, err := io.WriteString(c.Conn, line+"\r\n")
	must(c.t, err)
}

// line returns the next line; of a PUB or HPUB with the payload after it.
func (c *fakeConn) line() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	must(c.t, err)
	line = strings.TrimRight(line, " \r\n")
	if !strings.HasPrefix(line, "PUB ") && !strings.HasPrefix(line, "HPUB ") {
		return line
	}
	size, err := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
	must(c.t, err)
	payload := make([]byte, size+len("\r\n"))
	_, err = io.ReadFull(c.r, payload)
	must(c.t, err)
	return line + " " + string(payload[:size])
}

// expectProbe expects the longest subscription that there is, and returns the bytes of its line as a
// server counts them.
func (c *fakeConn) expectProbe() int {
	c.t.Helper()
	sub := c.line()
	if !strings.HasPrefix(sub, "SUB stomp.n.1=2Fa.xxx") {
		c.t.Fatalf("the server got %q, want a long subscription", sub)
	}
	c.expect("UNSUB 1")
	c.expect("PING")
	return len(strings.TrimPrefix(sub, "SUB "))
}

func (c *fakeConn) expect(want string) {
	c.t.Helper()
	if got := c.line(); got != want {
		c.t.Fatalf("the server got %q, want %q", got, want)
	}
}

// answer answers the next PING.
func (c *fakeConn) answer() {
	c.t.Helper()
	c.expect("PING")
	c.say("PONG")
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

// refuse is a server's last word.
func (c *fakeConn) refuse(words string) {
	c.t.Helper()
	c.say("-ERR '" + words + "'")
	c.Close()
}

// answerAll answers every PING until the connection ends.
func (c *fakeConn) answerAll() { c.answerBut("nothing", new(atomic.Int64)) }

// answerBut answers every PING, and counts, until a line begins with bad: that ends the connection, and it
// returns true.
func (c *fakeConn) answerBut(bad string, answers *atomic.Int64) bool {
	for {
		line, err := c.r.ReadString('\n')
		switch {
		case err != nil:
			return false
		case line == "PING\r\n":
			answers.Add(1)
			io.WriteString(c.Conn, "PONG\r\n") // an error ends the next read too
		case strings.HasPrefix(line, bad):
			io.WriteString(c.Conn, "-ERR 'Invalid Subject'\r\n")
			c.Close()
			return true
		}
	}
}

// publish publishes body to destination and returns where its done will be heard.
func publish(t testing.TB, b *Bus, destination, body string) <-chan error {
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
