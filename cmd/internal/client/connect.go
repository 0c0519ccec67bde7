package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/gobwas/ws"
)

// maxHandshake bounds what a server answers an upgrade with, in bytes.
const maxHandshake = 64 << 10

// connect opens the connection, up to where STOMP begins. The end of ctx cuts it off.
func (u *URL) connect(ctx context.Context, o Options) (*wire, carrier, error) {
	target := u
	if u.sockjs {
		target = &URL{u.scheme, u.target.JoinPath(sockjsSession())}
	}
	conn, ahead, err := target.open(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{Conn: conn, patience: o.Timeout}
	if u.raw {
		return w, newStream(w), nil
	}
	socket := newSocket(w, io.MultiReader(bytes.NewReader(ahead), w))
	if u.sockjs {
		return w, newSock(socket, o), nil
	}
	return w, socket, nil
}

// Open opens a connection up to where STOMP begins, for those that read and write it themselves: in the messages of a
// WebSocket, or alone where u says so. ahead is what the server has sent already.
func (u *URL) Open(ctx context.Context, o Options) (conn net.Conn, ahead []byte, err error) {
	return u.open(ctx, o.withDefaults())
}

func (u *URL) open(ctx context.Context, o Options) (conn net.Conn, ahead []byte, err error) {
	bare, err := o.dial(ctx, "tcp", u.target.Host)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { bare.Close() })
	if conn = bare; u.secure {
		conn, err = u.secureConn(ctx, bare, o.TLS)
	}
	if err == nil && !u.raw {
		ahead, err = upgrade(conn, u.target)
	}
	if !stop() {
		err = context.Cause(ctx) // which is why it failed, if it did
	}
	if err != nil {
		bare.Close() // closed twice is no matter
		return nil, nil, err
	}
	return conn, ahead, nil
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

// upgrade makes a WebSocket of conn, and returns what the server has sent behind its answer.
func upgrade(conn net.Conn, target *url.URL) (ahead []byte, err error) {
	status := ""
	d := ws.Dialer{
		Protocols:     []string{"v12.stomp"},
		OnStatusError: func(code int, _ []byte, _ io.Reader) { status = fmt.Sprintf("%d %s", code, http.StatusText(code)) },
	}
	buffered, _, err := d.Upgrade(struct {
		io.Reader
		io.Writer
	}{io.LimitReader(conn, maxHandshake), conn}, target)
	switch {
	case status != "":
		return nil, fmt.Errorf("it answers %s, and does not open a WebSocket there", status)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("it closed the connection instead of opening a WebSocket")
	case err != nil:
		return nil, fmt.Errorf("it does not open a WebSocket: %w", err)
	case buffered == nil:
		return nil, nil
	}
	defer ws.PutReader(buffered)
	ahead, _ = buffered.Peek(buffered.Buffered()) // it is there
	return bytes.Clone(ahead), nil
}
