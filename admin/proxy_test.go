package admin_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy passes connections on to a server. Its address is as good as a name: another server may come to
// be behind it.
type proxy struct {
	addr string
	to   atomic.Pointer[string]
	lost atomic.Int64 // connections that could not be passed on
	mute atomic.Int64 // of the first so many, nothing is passed on any more

	wg    sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn // two for each connection
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: ln.Addr().String()}
	p.move(to)
	p.wg.Go(func() { p.accept(ln) })
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
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
		far, err := net.Dial("tcp", *p.to.Load())
		if err != nil {
			near.Close()
			p.lost.Add(1)
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, near, far)
		number := int64(len(p.conns))
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(near, far, number) })
		p.wg.Go(func() { p.pass(far, near, number) })
	}
}

// pass carries bytes until either end closes.
func (p *proxy) pass(from, to net.Conn, number int64) {
	defer to.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if err == nil && number > p.mute.Load() {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// move has new connections go to another server. Those that there are stay.
func (p *proxy) move(to string) { p.to.Store(&to) }

// swallow has the connections that there are carry nothing any more.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute.Store(int64(len(p.conns)))
}
