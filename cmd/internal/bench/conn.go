package bench

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
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

// isUp reports whether the server has let the client in.
func (c *conn) isUp() bool {
	select {
	case <-c.up:
		return true
	default:
		return false
	}
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

// frame is one of a client's, of entries that are a name and a value each; without those that are empty.
func (t *target) frame(command string, body []byte, entries ...string) []byte {
	f := &stomp.Frame{Command: command, Body: body}
	for e := range slices.Chunk(entries, 2) {
		if e[1] != "" {
			f.Header = append(f.Header, stomp.Entry{Name: e[0], Value: []byte(e[1])})
		}
	}
	if t.token != "" {
		f.Header = append(f.Header, stomp.Entry{Name: "Authorization", Value: []byte("Bearer " + t.token)})
	}
	return stomp.AppendFrame(nil, stomp.V12, f)
}

func (t *target) connectFrame(u *client.URL) []byte {
	return t.frame(stomp.CommandConnect, nil, stomp.HeaderAcceptVersion, "1.2,1.1", stomp.HeaderHost, cmp.Or(t.host, u.Hostname()),
		stomp.HeaderHeartBeat, "0,0", stomp.HeaderLogin, t.user, stomp.HeaderPasscode, t.passcode)
}

func (t *target) subscribeFrame(id int, destination string) []byte {
	return t.frame(stomp.CommandSubscribe, nil, stomp.HeaderID, strconv.Itoa(id), stomp.HeaderDestination, destination, stomp.HeaderAck, "auto")
}

func (t *target) sendFrame(destination string, body []byte) []byte {
	return t.frame(stomp.CommandSend, body, stomp.HeaderDestination, destination, stomp.HeaderContentType, "text/plain")
}

// goodbyeFrame asks for its receipt.
func (t *target) goodbyeFrame() []byte {
	return t.frame(stomp.CommandDisconnect, nil, stomp.HeaderReceipt, "goodbye")
}

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

func (c *conn) control(op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpPing:
		f := ws.NewPongFrame(payload)
		f.Header.Masked = true
		return c.write(ws.MustCompileFrame(f))
	case ws.OpClose:
		code, _ := ws.ParseCloseFrameData(payload)
		return closed(code)
	}
	return nil
}

// readBuffered gives take what nc brings until it ends.
func readBuffered(nc net.Conn, take taker) error {
	_, err := io.CopyBuffer(take, struct{ io.Reader }{nc}, make([]byte, 4<<10))
	return cmp.Or(err, io.EOF)
}

// taker takes the bytes that came next.
type taker func([]byte) error

func (t taker) Write(b []byte) (int, error) { return len(b), t(b) }

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
		if c.isUp() {
			return errors.New("the server sent CONNECTED twice")
		}
		close(c.up)
		c.dec.SetVersion(stomp.V12)
		if v, _ := f.Header.Get(stomp.HeaderVersion); string(v) == stomp.V11.String() {
			c.dec.SetVersion(stomp.V11)
		}
	case stomp.CommandError:
		message, _ := f.Header.Get(stomp.HeaderMessage)
		return fmt.Errorf("the server sent an ERROR: %.200q", message)
	}
	return c.handler.frame(c, f)
}

// closed is the error of a WebSocket that the server has closed with a code.
type closed ws.StatusCode

func (c closed) Error() string {
	return "the server closed the connection with code " + strconv.Itoa(int(c))
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

// fill writes down how many connections failed, and the first error.
func (l *errorList) fill(r *report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Disconnected = l.n; l.n > 0 {
		r.Error = l.first.Error()
	}
}

// get returns the first error.
func (l *errorList) get() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

// sleepUntil reports whether that time has come before the end of ctx.
func sleepUntil(ctx context.Context, when time.Time) bool {
	timer := time.NewTimer(time.Until(when))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
