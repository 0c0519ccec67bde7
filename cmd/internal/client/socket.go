package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// socket is a WebSocket connection, of which RFC 6455 is the law. As a carrier it has STOMP in its
// messages, wherever those begin and end.
type socket struct {
	wire *wire
	in   *bufio.Reader
	buf  []byte

	left int64 // bytes of the current frame still to come
	more bool  // the current message goes on in another frame
}

func newSocket(w *wire, rest []byte) *socket {
	return &socket{wire: w, in: newReader(w, rest), buf: make([]byte, 16<<10)}
}

func (s *socket) read() ([]byte, error) {
	for {
		n, err := s.Read(s.buf)
		switch {
		case n > 0:
			return s.buf[:n], nil
		case errors.Is(err, errMessageEnd):
			err = s.frame()
		}
		if err != nil {
			return nil, err
		}
	}
}

// errMessageEnd is the io.EOF of a message; that of the connection is io.EOF.
var errMessageEnd = errors.New("the message ends")

// Read reads on in the current message, to errMessageEnd.
func (s *socket) Read(b []byte) (int, error) {
	for s.left == 0 {
		if !s.more {
			return 0, errMessageEnd
		}
		if err := s.frame(); err != nil {
			return 0, err
		}
	}
	n, err := s.in.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	if err != nil && n > 0 {
		err = nil // it comes again
	}
	return n, ended(err)
}

// ended says that the connection ended where it should not have.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frame reads up to the payload of the next frame of a message.
func (s *socket) frame() error {
	for {
		h, err := ws.ReadHeader(s.in)
		if err != nil && s.more {
			return ended(err)
		}
		if err != nil {
			return err
		}
		state := ws.StateClientSide
		if s.more {
			state = state.Set(ws.StateFragmented)
		}
		if err := ws.CheckHeader(h, state); err != nil {
			return fmt.Errorf("the server does not speak WebSocket as it should: %w", err)
		}
		if !h.OpCode.IsControl() {
			s.left, s.more = h.Length, !h.Fin
			return nil
		}
		if err := s.control(h); err != nil {
			return err
		}
	}
}

// control answers a control frame; that a Close has come is an error.
func (s *socket) control(h ws.Header) error {
	payload := make([]byte, h.Length) // 125 at most
	if _, err := io.ReadFull(s.in, payload); err != nil {
		return ended(err)
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

func (s *socket) takes([]byte) error { return nil }

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
