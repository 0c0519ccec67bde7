package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/internal/session"
	"github.com/stompgw/stompgw/gateway/internal/tcp"
)

// Listener is where connections come from, and what they speak.
type Listener struct {
	net.Listener
	STOMP bool        // plain STOMP; otherwise HTTP and WebSocket
	TLS   *tls.Config // nil for none
}

// acceptPause is how long no connection is taken when descriptors or memory have run out.
const acceptPause = 100 * time.Millisecond

// accept takes connections until ctx ends, and closes the listener.
func (g *Gateway) accept(ctx context.Context, ln Listener, e *engine) error {
	defer ln.Close()
	if ln.TLS == nil {
		if taken, err := g.acceptDescriptors(ctx, ln, e); taken {
			return err
		}
	}
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil && g.full(e):
			nc.Close()
		case err == nil:
			e.elsewhere.Add(1)
			wg.Go(func() {
				defer e.elsewhere.Add(-1)
				g.shake(ctx, nc, ln, e)
			})
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		default:
			g.pauseAccept(ctx, ln, err)
		}
	}
}

// shake ends the TLS handshake of a connection, if it has one, and gives it to a loop.
func (g *Gateway) shake(ctx context.Context, nc net.Conn, ln Listener, e *engine) {
	if ln.TLS != nil {
		secure := tls.Server(nc, ln.TLS)
		ctx, cancel := context.WithTimeout(ctx, g.set.limits.ConnectTimeout)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			g.set.log.Debug("TLS handshake failed", "remote", nc.RemoteAddr(), "err", err)
			nc.Close()
			return
		}
		nc = secure
	}
	l, host := e.next()
	l.AdoptConn(nc, nil, g.handlerFor(ln, e, host))
}

// handlerFor returns what makes the first Handler of a listener's connections.
func (g *Gateway) handlerFor(ln Listener, e *engine, host *session.Host) func(*loop.Conn) loop.Handler {
	if ln.STOMP {
		return func(c *loop.Conn) loop.Handler { return tcp.New(c, host) }
	}
	return g.newFront(e, host)
}

// full reports whether the node has all the connections it may have.
func (g *Gateway) full(e *engine) bool {
	if e.connections()+int(e.elsewhere.Load()) < g.set.limits.Connections {
		return false
	}
	g.set.lines.full.Log(g.set.log, slog.LevelWarn, "new connections are closed: limits.connections is reached", "connections", g.set.limits.Connections)
	return true
}

// pauseAccept waits for descriptors or memory to come back; without a pause the loop would spin.
func (g *Gateway) pauseAccept(ctx context.Context, ln Listener, err error) {
	g.set.lines.pause.Log(g.set.log, slog.LevelWarn, "can't accept connections, they have to wait", "address", ln.Addr(), "err", err)
	select {
	case <-time.After(acceptPause):
	case <-ctx.Done():
	}
}
