package admin_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy passes connections on to a server. Its address is as good as a name: another server may come to
// be behind it.
type proxy struct {
	addr  string
	to    atomic.Pointer[string]
	lost  atomic.Int64 // connections that could not be passed on
	swept atomic.Int64 // how often swallow was called: connections from before carry nothing any more
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: ln.Addr().String()}
	p.move(to)
	var wg sync.WaitGroup
	wg.Go(func() { p.accept(t.Context(), &wg, ln) })
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return p
}

func (p *proxy) accept(ctx context.Context, wg *sync.WaitGroup, ln net.Listener) {
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
		context.AfterFunc(ctx, func() { near.Close(); far.Close() })
		swept := p.swept.Load()
		wg.Go(func() { p.pass(near, far, swept) })
		wg.Go(func() { p.pass(far, near, swept) })
	}
}

// pass carries bytes until either end closes.
func (p *proxy) pass(from, to net.Conn, swept int64) {
	defer to.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if err == nil && swept == p.swept.Load() {
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
func (p *proxy) swallow() { p.swept.Add(1) }
