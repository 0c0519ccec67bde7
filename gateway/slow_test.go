package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

// TestSlowReader: clients that stop reading, one of each transport, are cut off, and a thousand
// others in the same room don't notice.
func TestSlowReader(t *testing.T) {
	const readers, messages = 1000, 60
	n := start(t, gateway.WithLimits(gateway.Limits{
		Message: 64 << 10, Outbound: 128 << 10, Connections: 2 * readers, ConnectTimeout: patience,
	}))
	slow := map[string]io.Reader{"websocket": n.slowWS(t), "tcp": n.slowTCP(t)}
	var clients []*client
	for i := range readers {
		c := n.dialTCP(t)
		if i%2 == 0 {
			c = n.dialWS(t)
		}
		c.connect().subscribe("0", "/topic/room")
		clients = append(clients, c)
	}
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			for m := range messages {
				frame, err := c.read()
				if err != nil || !strings.HasSuffix(frame, fmt.Sprintf("\n\n%d", m)) {
					t.Errorf("reader %d, message %d: got %q, %v", i, m, frame, err)
					return
				}
			}
		})
	}
	writer := n.dialTCP(t).connect()
	flood := strings.Repeat("x", 60<<10)
	for m := range messages {
		// The flood is more than the kernel's buffers and limits.outbound together hold.
		writer.send(strings.Repeat("SEND\ndestination:/topic/flood\n\n"+flood+"^@", 4))
		writer.send(fmt.Sprintf("SEND\ndestination:/topic/room\nreceipt:%d\n\n%d^@", m, m))
		writer.expect("RECEIPT", fmt.Sprintf("receipt-id:%d", m))
	}
	wg.Wait()
	if got := len(n.sessions.Sessions()); got != readers+1 {
		t.Errorf("%d sessions, want all but the slow ones", got)
	}
	for transport, r := range slow {
		rest, err := io.ReadAll(r) // an error is a reset: its last word could not leave
		if err == nil && !strings.Contains(string(rest), "ERROR\nmessage:the client reads too slowly") {
			t.Errorf("%s: %d bytes came, the last: %q", transport, len(rest), rest[max(len(rest)-300, 0):])
		}
	}
}

// slowTCP is in the room and in the flood, and has stopped reading.
func (n *node) slowTCP(t testing.TB) io.Reader {
	t.Helper()
	c := n.dialTCP(t).connect()
	c.subscribe("0", "/topic/room")
	c.subscribe("1", "/topic/flood")
	c.conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	return c.conn
}

// slowWS is slowTCP over a WebSocket.
func (n *node) slowWS(t testing.TB) io.Reader {
	t.Helper()
	c := n.session(t)
	for _, destination := range []string{"/topic/room", "/topic/flood"} {
		c.write(frame(text, "SUBSCRIBE\nid:"+destination+"\ndestination:"+destination+"\nreceipt:r\n\n\x00"))
		c.wantMessage("RECEIPT\n")
	}
	c.conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	return c.conn
}

// carried is a connection of STOMP octets that something else carries.
type carried struct {
	net.Conn
	io.ReadWriter
}

func (c carried) Read(b []byte) (int, error)  { return c.ReadWriter.Read(b) }
func (c carried) Write(b []byte) (int, error) { return c.ReadWriter.Write(b) }

// Whoever is ended gets all that waits for it, and why it is ended, as long as it reads, however slowly. One
// that does not is cut, perhaps inside a frame, and then nothing follows.
func TestSlowReaderIsEnded(t *testing.T) {
	t.Parallel()
	const behind = 30 // messages of 60 KiB
	s := gateway.DefaultSockJS()
	s.StreamLimit = 64 << 20 // so that an answer has not ended when the session does
	for _, end := range []struct {
		name string
		do   func(b *bubble, id registry.SessionID)
		sip  time.Duration // such that it takes longer than any time for a client that takes nothing
		last string        // of STOMP
		end  string        // in the words of SockJS
	}{
		{"kicked", func(b *bubble, id registry.SessionID) {
			b.Kick(context.Background(), []registry.SessionID{id}, gateway.Kick{Reason: "out"})
		}, 300 * time.Millisecond, "ERROR\nmessage:out\n", `c[1008,"kicked"]`},
		{"faulty", nil, 300 * time.Millisecond, "ERROR\nmessage:unknown command", `c[1002,""]`},
		{"drained", func(b *bubble, _ registry.SessionID) { b.Drain() }, 200 * time.Millisecond, "MESSAGE\n", `c[1001,"the node is stopping, connect again"]`},
		{"stuck", func(b *bubble, id registry.SessionID) {
			b.Kick(context.Background(), []registry.SessionID{id}, gateway.Kick{Reason: "out"})
		}, time.Hour, "", ""},
	} {
		for _, a := range approaches() {
			t.Run(end.name+"/"+a.name, func(t *testing.T) {
				inBubble(t, a.secure, func(t *testing.T, b *bubble) {
					rw := a.dial(t, b)
					c := &client{t: t, conn: carried{ReadWriter: rw}}
					id := c.connectID()
					c.subscribe("0", "/topic/a")
					writer := &client{t: t, conn: b.dial(t, b.stomp)}
					writer.connect()
					for range behind {
						writer.ask("SEND\ndestination:/topic/a\nreceipt:r\n\n" + strings.Repeat("x", 60<<10) + "^@")
					}
					synctest.Wait()
					if b.sip = end.sip; end.do == nil {
						c.send("NONSENSE\n\n^@")
					} else {
						end.do(b, id)
					}
					if end.last == "" {
						time.Sleep(2 * time.Minute)
						b.sip = 0
					}
					var frames []string
					frame, err := c.read()
					for ; err == nil; frame, err = c.read() {
						frames = append(frames, frame)
					}
					if end.last == "" {
						if n := len(frames); n > 0 && strings.HasPrefix(frames[n-1], "ERROR\n") && !strings.HasSuffix(a.name, "polling") {
							t.Errorf("it got %d frames, and the last word too", n)
						}
						if strings.Contains(string(c.in), "ERROR") {
							t.Errorf("in a frame that was cut: %.100q", c.in)
						}
						return
					}
					want := behind
					if end.last != "MESSAGE\n" {
						want++
					}
					if len(frames) != want || !strings.HasPrefix(frames[want-1], end.last) || len(c.in) > 0 {
						t.Fatalf("%d frames and %d octets, %v; the last is %.100q", len(frames), len(c.in), err, frames[max(len(frames)-1, 0)])
					}
					switch c := rw.(type) {
					case *sock:
						if c.end != end.end {
							t.Errorf("closed with %q, want %q", c.end, end.end)
						}
					case *webSocket:
						if !c.over {
							t.Error("no Close frame came")
						}
					}
				}, gateway.WithLimits(gateway.Limits{Message: 64 << 10, Outbound: 4 << 20, Connections: 100, ConnectTimeout: patience}), gateway.WithSockJS(&s))
			})
		}
	}
}
