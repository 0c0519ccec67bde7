package client

import "context"

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

func (s *stream) takes([]byte) error { return nil }

func (s *stream) write(ctx context.Context, frame []byte) error { return s.wire.send(ctx, frame) }

func (s *stream) bye() {} // the end of a connection is what there is to tell
