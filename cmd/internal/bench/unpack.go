package bench

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gobwas/ws"
)

// unpacker takes STOMP out of the frames of a WebSocket, however the network has cut them. It holds no more than
// a header or a control frame that is not whole.
type unpacker struct {
	held    []byte // a beginning of a header, or of a control frame
	payload uint64 // bytes of a data frame that are still to come
}

// maxControl is the bytes of a control frame of a server at most (RFC 6455, 5.5).
const maxControl = 2 + 125

// unpack calls data for what b holds of messages, and control for each control frame. Both borrow what they get.
func (u *unpacker) unpack(b []byte, data func([]byte) error, control func(ws.OpCode, []byte) error) error {
	if len(u.held) > 0 {
		b = append(u.held, b...)
		u.held = u.held[:0]
	}
	for len(b) > 0 {
		if u.payload > 0 {
			n := int(min(u.payload, uint64(len(b))))
			if err := data(b[:n]); err != nil {
				return err
			}
			u.payload -= uint64(n)
			b = b[n:]
			continue
		}
		op, head, size, err := readHeader(b)
		switch {
		case err != nil:
			return err
		case head == 0, op.IsControl() && len(b) < head+int(size):
			u.held = append([]byte(nil), b...)
			return nil
		case !op.IsControl():
			u.payload = size
			b = b[head:]
			continue
		}
		if err := control(op, b[head:head+int(size)]); err != nil {
			return err
		}
		b = b[head+int(size):]
	}
	return nil
}

// readHeader reads the header of a server's frame: its own length, 0 while it is not whole, and that of the payload.
func readHeader(b []byte) (op ws.OpCode, head int, size uint64, err error) {
	if len(b) < 2 {
		return 0, 0, 0, nil
	}
	op = ws.OpCode(b[0] & 15)
	switch n := b[1]; {
	case n&0x80 != 0:
		return 0, 0, 0, errors.New("the server masks its WebSocket frames")
	case b[0]&0x70 != 0:
		return 0, 0, 0, errors.New("the server uses a WebSocket extension that nobody has offered")
	case op.IsControl() && n > maxControl-2:
		return 0, 0, 0, fmt.Errorf("the server sent a WebSocket control frame of over %d bytes", maxControl-2)
	case n == 126 && len(b) >= 4:
		return op, 4, uint64(binary.BigEndian.Uint16(b[2:])), nil
	case n == 127 && len(b) >= 10:
		return op, 10, binary.BigEndian.Uint64(b[2:]), nil
	case n < 126:
		return op, 2, uint64(n), nil
	}
	return op, 0, 0, nil
}
