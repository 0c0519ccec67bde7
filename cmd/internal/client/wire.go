package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// tolerance is after how many periods without a byte a server counts as lost.
const tolerance = 3

// parting is how long a connection that can't be written to is still read, for the server's word on it.
const parting = time.Second

// carrier carries STOMP over one kind of connection.
type carrier interface {
	// read returns the next bytes of the server's, which are good until the next call. It belongs to
	// one goroutine.
	read() ([]byte, error)
	// write sends a frame, or a heart-beat, whole. An error leaves the connection unusable.
	write(ctx context.Context, frame []byte) error
	// bye tells the server that the client goes.
	bye()
}

// wire is a connection whose writes take a bounded time, and whose reads notice a silent server.
type wire struct {
	net.Conn
	patience time.Duration // of a write
	silence  time.Duration // 0 for any; the reader's

	writing sync.Mutex
	expires atomic.Pointer[time.Time] // when reads end, whatever comes; nil for never
}

// Read implements net.Conn, for the reader. Any byte is a sign of life.
func (w *wire) Read(b []byte) (int, error) {
	if w.silence > 0 {
		w.SetReadDeadline(time.Now().Add(w.silence)) // a closed connection says so when it is read
		if at := w.expires.Load(); at != nil {
			w.SetReadDeadline(*at)
		}
	}
	n, err := w.Conn.Read(b)
	if err != nil && w.silence > 0 && errors.Is(err, os.ErrDeadlineExceeded) && w.expires.Load() == nil {
		err = fmt.Errorf("the server was silent for %s", w.silence)
	}
	return n, err
}

// expire makes reads end soon.
func (w *wire) expire() {
	at := time.Now().Add(parting)
	if w.expires.CompareAndSwap(nil, &at) {
		w.SetReadDeadline(at) // as in Read
	}
}

// send writes b whole, or returns an error after which nothing else can be written. The end of ctx is
// one.
func (w *wire) send(ctx context.Context, b []byte) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.SetWriteDeadline(time.Now().Add(w.patience)) // a closed connection says so when it is written to
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		w.SetWriteDeadline(time.Unix(1, 0))
		close(cut)
	})
	_, err := w.Write(b)
	if !stop() {
		<-cut // so that it does not cut off the next
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("it took nothing for %s", w.patience)
	}
	return err
}

// stream is STOMP alone over a connection.
type stream struct {
	wire *wire
	buf  []byte
}

func newStream(w *wire) *stream { return &stream{w, make([]byte, 16<<10)} }

func (s *stream) read() ([]byte, error) {
	n, err := s.wire.Read(s.buf)
	if n > 0 {
		return s.buf[:n], nil // an error comes again
	}
	return nil, err
}

func (s *stream) write(ctx context.Context, frame []byte) error { return s.wire.send(ctx, frame) }

func (s *stream) bye() {} // the end of a connection is what there is to tell

// beat is the goroutine that sends heart-beats: two in each period, so that no silence is longer than it.
func (c *Client) beat() {
	tick := time.NewTicker(max(c.agreed.Send/2, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.write(context.Background(), []byte{'\n'}) // the wire's patience ends it
		case <-c.leaving.Done():
			return
		}
	}
}
