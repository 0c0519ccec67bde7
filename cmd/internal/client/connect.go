package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"

	"github.com/gobwas/ws"
)

// maxHandshake bounds what a server answers an upgrade with, in bytes.
const maxHandshake = 64 << 10

// connect opens the connection, up to where STOMP begins. The end of ctx cuts it off.
func (u *URL) connect(ctx context.Context, o Options) (*wire, carrier, error) {
	conn, err := o.dial(ctx, "tcp", u.target.Host)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	w, c, err := u.open(ctx, conn, o)
	if !stop() {
		err = context.Cause(ctx) // which is why it failed, if it did
	}
	if err != nil {
		conn.Close() // closed twice is no matter
		return nil, nil, err
	}
	return w, c, nil
}

func (u *URL) open(ctx context.Context, conn net.Conn, o Options) (*wire, carrier, error) {
	if u.secure {
		secure, err := u.secureConn(ctx, conn, o.TLS)
		if err != nil {
			return nil, nil, err
		}
		conn = secure
	}
	w := &wire{Conn: conn, patience: o.Timeout}
	if u.raw {
		return w, newStream(w), nil
	}
	target := u.target
	if u.sockjs {
		target = target.JoinPath(sockjsSession())
	}
	in, err := upgrade(w, target)
	if err != nil {
		return nil, nil, err
	}
	if u.sockjs {
		return w, newSock(newSocket(w, in), o), nil
	}
	return w, newSocket(w, in), nil
}

func (u *URL) secureConn(ctx context.Context, conn net.Conn, trust *tls.Config) (net.Conn, error) {
	config := &tls.Config{}
	if trust != nil {
		config = trust.Clone()
	}
	config.ServerName = cmp.Or(config.ServerName, u.target.Hostname())
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secure, nil
}

// upgrade makes a WebSocket of conn, and returns where its frames are read.
func upgrade(conn net.Conn, target *url.URL) (io.Reader, error) {
	status := ""
	d := ws.Dialer{
		Protocols:     []string{"v12.stomp"},
		OnStatusError: func(code int, _ []byte, _ io.Reader) { status = fmt.Sprintf("%d %s", code, http.StatusText(code)) },
	}
	in := &io.LimitedReader{R: conn, N: maxHandshake}
	buffered, _, err := d.Upgrade(struct {
		io.Reader
		io.Writer
	}{in, conn}, target)
	switch {
	case status != "":
		return nil, fmt.Errorf("it answers %s, and does not open a WebSocket there", status)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("it closed the connection instead of opening a WebSocket")
	case err != nil:
		return nil, fmt.Errorf("it does not open a WebSocket: %w", err)
	}
	in.N = math.MaxInt64 // the answer is over
	if buffered != nil { // with what the server has sent behind it
		return buffered, nil
	}
	return in, nil
}
