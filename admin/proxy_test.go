package admin_test

import (
	"net"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/gateway/registry"
)

func sessionID[T ~int](id T) registry.SessionID { return registry.SessionID(id) }

// proxy passes connections on to a server.
type proxy struct {
	addr string

	mu    sync.Mutex
	conns []*link
	wg    sync.WaitGroup
}

// link is one connection.
type link struct {
	near, far net.Conn

	mu   sync.Mutex
	mute bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: ln.Addr().String()}
	p.wg.Go(func() { p.accept(ln, to) })
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		for _, l := range p.conns {
			l.near.Close()
			l.far.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) accept(ln net.Listener, to string) {
	for {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", to)
		if err != nil {
			near.Close()
			continue
		}
		l := &link{near: near, far: far}
		p.mu.Lock()
		p.conns = append(p.conns, l)
		p.mu.Unlock()
		p.wg.Go(func() { l.pass(near, far) })
		p.wg.Go(func() { l.pass(far, near) })
	}
}

// pass carries bytes until either end closes; when the link is mute they go nowhere.
func (l *link) pass(from, to net.Conn) {
	defer to.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		mute := l.mute
		l.mu.Unlock()
		if mute {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// swallow has the connections that there are carry nothing any more.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.conns {
		l.mu.Lock()
		l.mute = true
		l.mu.Unlock()
	}
}
