package gateway_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/gateway"
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
