package front

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/stompgw/stompgw/gateway/internal/loop"
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

// Accept takes connections until ctx ends, and closes the listener.
func (d *Door) Accept(ctx context.Context, ln Listener) error {
	defer ln.Close()
	if ln.TLS == nil {
		if taken, err := d.acceptDescriptors(ctx, ln); taken {
			return err
		}
	}
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	h := d.house.Load()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil && d.noRoom():
			nc.Close()
		case err == nil:
			h.elsewhere.Add(1)
			wg.Go(func() {
				defer h.elsewhere.Add(-1)
				d.shake(ctx, nc, ln)
			})
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		default:
			d.pauseAccept(ctx, ln, err)
		}
	}
}

// shake ends the TLS handshake of a connection, if it has one, and gives it to a loop.
func (d *Door) shake(ctx context.Context, nc net.Conn, ln Listener) {
	if ln.TLS != nil {
		secure := tls.Server(nc, ln.TLS)
		ctx, cancel := context.WithTimeout(ctx, d.ConnectTimeout)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			d.Log.Debug("TLS handshake failed", "remote", nc.RemoteAddr(), "err", err)
			nc.Close()
			return
		}
		nc = secure
	}
	l, first := d.place(ln)
	l.AdoptConn(nc, nil, first)
}

// place returns the loop of a listener's next connection, and what makes its first Handler.
func (d *Door) place(ln Listener) (*loop.Loop, func(*loop.Conn) loop.Handler) {
	l, host := d.house.Load().next()
	if ln.STOMP {
		return l, func(c *loop.Conn) loop.Handler { return tcp.New(c, host) }
	}
	return l, d.newVisitor
}

// noRoom reports whether the node has all the connections it may have.
func (d *Door) noRoom() bool {
	if d.Connections() < d.Options.Connections {
		return false
	}
	d.lines.full.Log(d.Log, slog.LevelWarn, "new connections are closed: limits.connections is reached", "connections", d.Options.Connections)
	return true
}

// pauseAccept waits for descriptors or memory to come back; without a pause the loop would spin.
func (d *Door) pauseAccept(ctx context.Context, ln Listener, err error) {
	d.lines.pause.Log(d.Log, slog.LevelWarn, "can't accept connections, they have to wait", "address", ln.Addr(), "err", err)
	select {
	case <-time.After(acceptPause):
	case <-ctx.Done():
	}
}
