package client

import (
	"bufio"
	"bytes"
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
	conn, err := o.dial(ctx, "tcp", u.address())
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
	resource := u.resource
	if u.sockjs {
		resource = u.below(sockjsSession())
	}
	rest, err := u.upgrade(conn, resource)
	if err != nil {
		return nil, nil, err
	}
	s := newSocket(w, rest)
	if u.sockjs {
		return w, newSock(s, o), nil
	}
	return w, s, nil
}

func (u *URL) secureConn(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = u.host
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secure, nil
}

// upgrade makes a WebSocket of conn, and returns what the server has sent behind its answer.
func (u *URL) upgrade(conn net.Conn, resource string) (rest []byte, err error) {
	target, err := url.ParseRequestURI(resource)
	if err != nil { // it was part of a URL
		return nil, err
	}
	target.Host = u.address()
	status := ""
	d := ws.Dialer{
		Protocols:     []string{"v12.stomp"},
		OnStatusError: func(code int, _ []byte, _ io.Reader) { status = fmt.Sprintf("%d %s", code, http.StatusText(code)) },
	}
	limited := struct {
		io.Reader
		io.Writer
	}{io.LimitReader(conn, maxHandshake), conn}
	buffered, _, err := d.Upgrade(limited, target)
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
	rest, err = buffered.Peek(buffered.Buffered())
	return bytes.Clone(rest), err
}

// newReader reads rest, and then the wire.
func newReader(w *wire, rest []byte) *bufio.Reader {
	return bufio.NewReaderSize(io.MultiReader(bytes.NewReader(rest), w), 16<<10)
}
