package gateway_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stompgw/stompgw/bus/membus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

// bubble is a node on virtual time: no test of a period waits for it.
type bubble struct {
	*node
	sip time.Duration // that clients take for each 64 KiB they read from now on
}

// inBubble runs test in a bubble, with TLS or without.
func inBubble(t *testing.T, secure bool, test func(t *testing.T, b *bubble), opts ...gateway.Option) {
	t.Helper()
	var server, client *tls.Config
	if secure {
		server, client = certificate() // it needs a real network for a moment
		client = client.Clone()
		client.ServerName = "example.com"
	}
	synctest.Test(t, func(t *testing.T) {
		name := registry.NewNode(time.Now())
		ports := map[string]pipes{"http": newPipes(), "stomp": newPipes()}
		b := &bubble{node: serve(t, name, membus.NewCluster().Bus(name.String()), gateway.Listener{Listener: ports["http"], TLS: server},
			gateway.Listener{Listener: ports["stomp"], TLS: server}, append([]gateway.Option{gateway.WithPortableLoops()}, opts...)...)}
		b.web, b.tcp = "http", "stomp"
		b.dial = func(port string) net.Conn {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { ours.Close() })
			ports[port].conns <- theirs
			conn := &pipe{Conn: ours, bubble: b}
			if secure {
				conn.Conn = tls.Client(ours, client)
			}
			return conn
		}
		test(t, b)
	})
}

// pipe is a client's end of a connection.
type pipe struct {
	net.Conn
	bubble *bubble
	read   int // bytes, since it has waited last
}

// SetDeadline does nothing: a bubble that hangs fails by itself.
func (p *pipe) SetDeadline(time.Time) error { return nil }

func (p *pipe) Read(b []byte) (int, error) {
	if p.bubble.sip > 0 && p.read >= 64<<10 {
		time.Sleep(p.bubble.sip)
		p.read -= 64 << 10
	}
	n, err := p.Conn.Read(b[:min(len(b), 64<<10)])
	p.read += n
	return n, err
}

// pipes is a listener of connections in memory, which a bubble can see waiting.
type pipes struct {
	conns chan net.Conn
	done  context.Context
	close context.CancelFunc
}

func newPipes() pipes {
	done, cancel := context.WithCancel(context.Background())
	return pipes{make(chan net.Conn), done, cancel}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.conns:
		return nc, nil
	case <-p.done.Done():
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { p.close(); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }
