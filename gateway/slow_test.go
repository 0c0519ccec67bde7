package gateway_test

import (
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
	slow := map[string]net.Conn{}
	for _, e := range entrances() { // one of each is in the flood, too, and has stopped reading
		c := e.dial(t, n).connect()
		c.subscribe("0", "/topic/room")
		c.subscribe("1", "/topic/flood")
		if slow[e.name] = c.conn; e.name == "websocket" {
			slow[e.name] = rawOf(c).conn
		}
		slow[e.name].(*net.TCPConn).SetReadBuffer(16 << 10)
	}
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

// Whoever is ended is gone for the node at once, and gets all that waits for it, and why it is ended, as long as it
// reads, however slowly. One that does not is cut, perhaps inside a frame, and then nothing follows.
func TestSlowReaderIsEnded(t *testing.T) {
	t.Parallel()
	const behind = 30 // messages of 60 KiB
	s := gateway.DefaultSockJS()
	s.StreamLimit = 64 << 20 // so that an answer has not ended when the session does
	kick := func(b *bubble, c *client, id registry.SessionID) {
		b.mustKick(c.t, gateway.Kick{Reason: "out"}, id)
		if b.Sessions() != 1 || len(b.sessions.Sessions()) != 1 {
			c.t.Errorf("%d sessions are left, want the writer's", b.Sessions())
		}
	}
	for _, end := range []struct {
		name string
		do   func(b *bubble, c *client, id registry.SessionID)
		sip  time.Duration // such that it takes longer than any time for a client that takes nothing
		last string        // of STOMP
		end  string        // in the words of SockJS
	}{
		{"kicked", kick, 300 * time.Millisecond, "ERROR\nmessage:out\n", `c[1008,"kicked"]`},
		{"faulty", func(_ *bubble, c *client, _ registry.SessionID) { c.send("NONSENSE\n\n^@") }, 300 * time.Millisecond, "ERROR\nmessage:unknown command", `c[1002,""]`},
		{"drained", func(b *bubble, _ *client, _ registry.SessionID) { b.Drain() }, 200 * time.Millisecond, "MESSAGE\n", `c[1001,"the node is stopping, connect again"]`},
		{"stuck", kick, time.Hour, "", ""},
	} {
		t.Run(end.name, func(t *testing.T) {
			eachEntrance(t, func(t *testing.T, b *bubble, e entrance) {
				c, writer := e.dial(t, b.node), b.dialTCP(t).connect()
				id := c.connectID()
				c.subscribe("0", "/topic/a")
				for range behind {
					writer.ask("SEND\ndestination:/topic/a\nreceipt:r\n\n" + strings.Repeat("x", 60<<10) + "^@")
				}
				synctest.Wait()
				b.sip = end.sip
				end.do(b, c, id)
				if end.last == "" {
					time.Sleep(2 * time.Minute)
					if n := b.Figures().Connections; n != 1 {
						t.Errorf("%d connections are left, want the writer's", n)
					}
					b.sip = 0
				}
				var frames []string
				frame, err := c.read()
				for ; err == nil; frame, err = c.read() {
					frames = append(frames, frame)
				}
				if end.last == "" {
					if n := len(frames); n > 0 && strings.HasPrefix(frames[n-1], "ERROR\n") && !strings.HasSuffix(e.name, "polling") {
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
				switch c := c.conn.(type) {
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
