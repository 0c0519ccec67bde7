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
	web, stomp pipes         // where clients come in
	secure     *tls.Config   // of clients; nil for none
	sip        time.Duration // that clients take for each 64 KiB they read from now on
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
		carrier := membus.NewCluster().Bus(name.String())
		b := &bubble{node: &node{name: name, sessions: registry.NewMemory()}, web: newPipes(), stomp: newPipes(), secure: client}
		opts = append([]gateway.Option{gateway.WithDrain(0), gateway.WithPortableLoops()}, opts...)
		g, err := gateway.New(name, carrier, b.sessions, rules(t), opts...)
		if err != nil {
			t.Fatal(err)
		}
		b.Gateway = g
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- g.Run(ctx, gateway.Listener{Listener: b.web, TLS: server}, gateway.Listener{Listener: b.stomp, STOMP: true, TLS: server})
		}()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
			carrier.Close(context.Background())
		})
		synctest.Wait()
		test(t, b)
	})
}

// dial makes a connection, which is over by the end of the test.
func (b *bubble) dial(t testing.TB, to pipes) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	to.conns <- server
	if b.secure == nil {
		return &pipe{Conn: client, bubble: b}
	}
	conn := tls.Client(client, b.secure)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return &pipe{Conn: conn, bubble: b}
}

func (b *bubble) browser(t testing.TB) *browser {
	return &browser{t: t, way: kept, dial: func() (net.Conn, error) { return b.dial(t, b.web), nil }}
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
