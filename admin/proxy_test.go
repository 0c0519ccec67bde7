package admin_test

import (
	"net"
	"sync"
	"testing"
)

// proxy passes connections on to a server. Its address is as good as a name: another server may come to
// be behind it.
type proxy struct {
	addr string

	mu    sync.Mutex
	to    string
	lost  int // connections that could not be passed on
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
	p := &proxy{addr: ln.Addr().String(), to: to}
	p.wg.Go(func() { p.accept(ln) })
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

func (p *proxy) accept(ln net.Listener) {
	for {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		to := p.to
		p.mu.Unlock()
		far, err := net.Dial("tcp", to)
		if err != nil {
			near.Close()
			p.mu.Lock()
			p.lost++
			p.mu.Unlock()
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

// move has new connections go to another server. Those that there are stay.
func (p *proxy) move(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

// refused is how many connections could not be passed on.
func (p *proxy) refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
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
