package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// socket is a WebSocket connection. As a carrier it has STOMP in its messages, wherever those begin and end.
type socket struct {
	wire *wire
	in   wsutil.Reader // io.EOF is the end of a message
	buf  []byte
}

// newSocket reads the server's frames from in.
func newSocket(w *wire, in io.Reader) *socket {
	s := &socket{wire: w, buf: make([]byte, 16<<10)}
	s.in = wsutil.Reader{Source: bufio.NewReaderSize(in, 16<<10), State: ws.StateClientSide, OnIntermediate: s.control}
	return s
}

func (s *socket) read() ([]byte, error) {
	for {
		n, err := s.in.Read(s.buf)
		switch {
		case n > 0:
			return s.buf[:n], nil // an error comes again
		case errors.Is(err, io.EOF), errors.Is(err, wsutil.ErrNoFrameAdvance):
			err = s.next()
		}
		if err != nil {
			return nil, err
		}
	}
}

// next reads up to the payload of the next message. io.EOF is the end of the connection here.
func (s *socket) next() error {
	for {
		h, err := s.in.NextFrame()
		if err != nil || !h.OpCode.IsControl() {
			return err
		}
		if err := s.control(h, &s.in); err != nil {
			return err
		}
	}
}

// control answers a control frame; that a Close has come is an error.
func (s *socket) control(h ws.Header, in io.Reader) error {
	payload := make([]byte, h.Length) // 125 at most
	if _, err := io.ReadFull(in, payload); err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		return s.put(context.Background(), ws.OpPong, payload) // the wire's patience ends it
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		s.say(code)
		if code == 0 {
			code = ws.StatusNoStatusRcvd
		}
		return &ClosedError{int(code), reason}
	}
	return nil
}

// write sends a frame as a message, of text where it is that.
func (s *socket) write(ctx context.Context, frame []byte) error {
	op := ws.OpText
	if !utf8.Valid(frame) {
		op = ws.OpBinary
	}
	return s.put(ctx, op, frame)
}

func (s *socket) put(ctx context.Context, op ws.OpCode, payload []byte) error {
	b, err := ws.CompileFrame(ws.MaskFrame(ws.NewFrame(op, true, payload)))
	if err != nil {
		return err
	}
	return s.wire.send(ctx, b)
}

// bye implements carrier.
func (s *socket) bye() { s.say(ws.StatusNormalClosure) }

// say sends a Close, as far as that is possible: the connection ends either way.
func (s *socket) say(code ws.StatusCode) {
	var body []byte
	if code != 0 {
		body = ws.NewCloseFrameBody(code, "")
	}
	ctx, cancel := context.WithTimeout(context.Background(), parting)
	defer cancel()
	s.put(ctx, ws.OpClose, body) // nobody is left to tell an error to
}
