package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/stompgw/stompgw/cmd/internal/client"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// target is the server, and as whom the clients come.
type target struct {
	urls                        []*client.URL
	tls                         *tls.Config
	host, user, passcode, token string
	timeout                     time.Duration // of a login, and for subscriptions to stand
	limits                      *stomp.Limits
}

// conn is a client of the server under load. The goroutine of read takes what comes; another may write.
type conn struct {
	nc  net.Conn
	raw bool // STOMP without WebSocket
	un  unpacker
	dec stomp.Decoder

	handler handler
	up      chan struct{} // closed when the server has sent CONNECTED
}

// handler is what a conn is for. Its methods run on the goroutine that reads; what they return ends the conn.
type handler interface {
	frame(c *conn, f *stomp.Frame) error // borrows f
	pause()                              // there is nothing more to read for now
}

// frameLimits bound a frame of the server. They are shared by all conns.
func frameLimits(size int) *stomp.Limits {
	return &stomp.Limits{Headers: 256, Line: 64 << 10, Head: 256 << 10, Body: max(size, 1<<20)}
}

// login opens a connection to one of the nodes and sends CONNECT.
func (t *target) login(ctx context.Context, node int, h handler) (*conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout, silence(t.timeout))
	defer cancel()
	u := t.urls[node%len(t.urls)]
	nc, ahead, err := u.Open(ctx, client.Options{TLS: t.tls})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u, err)
	}
	c := &conn{nc: nc, raw: u.Raw(), dec: stomp.NewDecoder(t.limits), handler: h, up: make(chan struct{})}
	if err = c.take(ahead); err == nil {
		err = c.write(c.pack(t.connectFrame(u)))
	}
	if err != nil {
		nc.Close() // the error says why
		return nil, fmt.Errorf("%s: %w", u, err)
	}
	return c, nil
}

func (t *target) connectFrame(u *client.URL) []byte {
	host := t.host
	if host == "" {
		host = u.Hostname()
	}
	b := stomp.AppendCommand(nil, stomp.CommandConnect)
	for _, e := range [][2]string{
		{stomp.HeaderAcceptVersion, "1.2,1.1"}, {stomp.HeaderHost, host}, {stomp.HeaderHeartBeat, "0,0"},
		{stomp.HeaderLogin, t.user}, {stomp.HeaderPasscode, t.passcode},
	} {
		if e[1] != "" {
			b = stomp.AppendEntry(b, 0, e[0], e[1])
		}
	}
	return stomp.AppendEnd(t.bearer(b))
}

// bearer adds the token, if there is one.
func (t *target) bearer(b []byte) []byte {
	if t.token == "" {
		return b
	}
	return stomp.AppendEntry(b, stomp.V12, "Authorization", "Bearer "+t.token)
}

func (t *target) subscribeFrame(id int, destination string) []byte {
	b := stomp.AppendCommand(nil, stomp.CommandSubscribe)
	b = stomp.AppendEntry(b, stomp.V12, stomp.HeaderID, strconv.Itoa(id))
	b = stomp.AppendEntry(b, stomp.V12, stomp.HeaderDestination, destination)
	return stomp.AppendEnd(t.bearer(stomp.AppendEntry(b, stomp.V12, stomp.HeaderAck, "auto")))
}

// goodbyeFrame is a DISCONNECT that asks for its receipt.
func goodbyeFrame() []byte {
	b := stomp.AppendCommand(nil, stomp.CommandDisconnect)
	return stomp.AppendEnd(stomp.AppendEntry(b, stomp.V12, stomp.HeaderReceipt, goodbye))
}

const goodbye = "goodbye"

// pack makes of a STOMP frame what goes over the wire. A mask of zeros is one, and costs nobody anything.
func (c *conn) pack(frame []byte) []byte {
	if c.raw {
		return frame
	}
	f := ws.NewTextFrame(frame)
	f.Header.Masked = true
	return ws.MustCompileFrame(f)
}

// patience is how long a server may take nothing of what is written to it.
const patience = 30 * time.Second

func (c *conn) write(b []byte) error {
	c.nc.SetWriteDeadline(time.Now().Add(patience)) // a closed connection says so when it is written to
	_, err := c.nc.Write(b)
	return err
}

// read takes what comes, until the connection ends or the handler ends it, and closes the connection.
func (c *conn) read() error {
	defer c.nc.Close() // nothing of interest is on its way
	err := readAll(c.nc, c.take)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the server closed the connection: %w", err)
	}
	return err
}

// take reads the bytes that came next.
func (c *conn) take(b []byte) (err error) {
	if c.raw {
		err = c.feed(b)
	} else {
		err = c.un.unpack(b, c.feed, c.control)
	}
	c.handler.pause()
	return err
}

// readBuffered gives take what nc brings until it ends.
func readBuffered(nc net.Conn, take func([]byte) error) error {
	buf := make([]byte, 4<<10)
	for {
		n, err := nc.Read(buf)
		if n > 0 {
			if err := take(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

func (c *conn) control(op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpPing:
		f := ws.NewPongFrame(payload)
		f.Header.Masked = true
		return c.write(ws.MustCompileFrame(f))
	case ws.OpClose:
		code, _ := ws.ParseCloseFrameData(payload)
		return errors.New("the server closed the connection with code " + strconv.Itoa(int(code)))
	}
	return nil
}

// frames are those that are being read, with the memory of their headers.
var frames = sync.Pool{New: func() any { return new(stomp.Frame) }}

func (c *conn) feed(b []byte) error {
	f := frames.Get().(*stomp.Frame)
	defer frames.Put(f)
	c.dec.Feed(b)
	for {
		switch err := c.dec.Next(f); {
		case errors.Is(err, stomp.ErrIncomplete):
			return nil
		case err != nil:
			return err
		}
		if err := c.dispatch(f); err != nil {
			return err
		}
	}
}

func (c *conn) dispatch(f *stomp.Frame) error {
	switch f.Command {
	case stomp.CommandConnected:
		c.dec.SetVersion(stomp.V12)
		if v, _ := f.Header.Get(stomp.HeaderVersion); string(v) == stomp.V11.String() {
			c.dec.SetVersion(stomp.V11)
		}
		close(c.up)
	case stomp.CommandError:
		message, _ := f.Header.Get(stomp.HeaderMessage)
		return fmt.Errorf("the server sent an ERROR: %.200q", message)
	}
	return c.handler.frame(c, f)
}

// silence is the error of a server that has not answered for so long.
type silence time.Duration

func (s silence) Error() string {
	return fmt.Sprintf("the server did not answer within %s; give it more time with --timeout", time.Duration(s))
}

// errorList keeps the first errors of connections.
type errorList struct {
	mu    sync.Mutex
	n     int
	first error
}

func (l *errorList) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n++; l.first == nil {
		l.first = err
	}
}

func (l *errorList) get() (n int, first error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n, l.first
}

// sleepUntil reports whether that time has come before the end of ctx.
func sleepUntil(ctx context.Context, when time.Time) bool {
	d := time.Until(when)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
