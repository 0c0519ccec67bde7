package gateway_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

// certificate returns what a server and its clients need, with httptest's certificate.
func certificate() (server, client *tls.Config) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}, s.Client().Transport.(*http.Transport).TLSClientConfig
}

func startTLS(t *testing.T, opts ...gateway.Option) (*node, *tls.Config) {
	server, client := certificate()
	name := registry.NewNode(time.Now())
	return startNode(t, name, membus.NewCluster().Bus(name.String()), func(ln net.Listener) gateway.Listener {
		return gateway.Listener{Listener: ln, TLS: server}
	}, opts...), client
}

func (n *node) dialTLS(t testing.TB, address string, config *tls.Config) *raw {
	t.Helper()
	config = config.Clone()
	config.ServerName = "example.com" // of httptest's certificate
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	return newRaw(t, conn)
}

// TestTLS is everything a port can do, over TLS.
func TestTLS(t *testing.T) {
	n, client := startTLS(t, pages())
	big := strings.Repeat("x", 60<<10)
	t.Run("WebSocket", func(t *testing.T) {
		c := n.dialTLS(t, n.web, client)
		c.write(upgradeRequest(n.web) + frame(text, connectFrame))
		c.response(http.StatusSwitchingProtocols)
		c.wantMessage("CONNECTED\n")
		c.write(frame(text, "SUBSCRIBE\nid:0\ndestination:/topic/tls\nreceipt:s\n\n\x00"))
		c.wantMessage(receiptFrame("s"))
		for range 10 {
			c.write(frame(text, "SEND\ndestination:/topic/tls\n\n"+big+"\x00"))
		}
		for range 10 {
			if got := c.wantMessage("MESSAGE\n"); !strings.HasSuffix(got, "\n\n"+big+"\x00") {
				t.Errorf("got %.200q", got)
			}
		}
		c.write(frame(text, "DISCONNECT\n\n\x00"))
		c.wantClosing(1000, "")
	})
	t.Run("STOMP", func(t *testing.T) {
		c := newClient(t, n.dialTLS(t, n.tcp, client).conn).connect()
		c.subscribe("0", "/topic/tls")
		c.send("SEND\ndestination:/topic/tls\n\n" + big + "^@")
		c.expect("MESSAGE", big)
		c.send("DISCONNECT\nreceipt:bye\n\n^@")
		c.expect("RECEIPT", "receipt-id:bye")
		newRaw(t, c.conn).wantEOF()
	})
	t.Run("pages", func(t *testing.T) {
		c := n.dialTLS(t, n.web, client)
		for range 2 {
			c.write(pageRequest)
			c.wantPage("GET /page?x=1 ")
		}
		c.write(upgradeRequest(n.web) + frame(text, connectFrame))
		c.response(http.StatusSwitchingProtocols)
		c.wantMessage("CONNECTED\n")
		c.wantAlive()
	})
	t.Run("fault", func(t *testing.T) {
		c := n.dialTLS(t, n.web, client)
		c.write(upgradeRequest(n.web) + frame(0x83, ""))
		c.response(http.StatusSwitchingProtocols)
		c.wantClose(1002)
	})
	t.Run("no TLS", func(t *testing.T) {
		c := n.dialRaw(t, n.tcp)
		c.write(strings.ReplaceAll(connectFrame, "\x00", ""), strings.Repeat("\n", 1000))
		c.wantEnd()
	})
}

// TestTLSWaitsForNobody holds that clients which do not end their handshake are in nobody's way.
func TestTLSWaitsForNobody(t *testing.T) {
	n, client := startTLS(t)
	for range 50 {
		n.dialRaw(t, n.web)
		n.dialRaw(t, n.tcp).write("\x16\x03\x01")
	}
	newClient(t, n.dialTLS(t, n.tcp, client).conn).connect()
}

// TestTLSHandshakeEnds holds that a handshake has an end, and that the node's stop is one too.
func TestTLSHandshakeEnds(t *testing.T) {
	t.Parallel()
	t.Run("time", func(t *testing.T) {
		n, _ := startTLS(t, connectWithin(100*time.Millisecond))
		n.dialRaw(t, n.web).wantEOF()
	})
	t.Run("drain", func(t *testing.T) {
		n, client := startTLS(t, connectWithin(time.Hour))
		c := n.dialRaw(t, n.web)
		newClient(t, n.dialTLS(t, n.web, client).conn) // taken after c
		n.stop()
		c.wantEOF()
	})
}

// TestTLSLimit holds that handshakes count as connections.
func TestTLSLimit(t *testing.T) {
	n, _ := startTLS(t, gateway.WithLimits(gateway.Limits{Message: 1, Outbound: 1, Connections: 2, ConnectTimeout: patience}))
	n.dialRaw(t, n.web)
	n.dialRaw(t, n.web)
	n.dialRaw(t, n.web).wantEnd()
}
