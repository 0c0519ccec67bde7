package ws

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// Faults that ws.CheckHeader does not know. errUTF8 closes with 1007, all others with 1002.
const (
	errUTF8   = ws.ProtocolError("a text message is not valid UTF-8")                   // section 8.1
	errLength = ws.ProtocolError("a frame's length is not encoded in the fewest bytes") // section 5.2
)

// reader takes a client's frames apart as their bytes come (sections 5.2 to 5.6). It holds nothing
// but its place in them. The zero value begins a connection.
type reader struct {
	left       int64 // payload bytes of the current data frame still to come
	mask       [4]byte
	at         uint8 // place in the mask
	fragmented bool  // the current message goes on in another frame
	text       bool  // the current message is text
	utf8       validator
}

// piece is a whole control frame, or some of the payload of a message.
type piece struct {
	op      ws.OpCode // of a control frame; OpText or OpBinary, that of the message, for all else
	payload []byte    // aliases the bytes read
	last    bool      // the message ends with it
}

// next returns the piece at the beginning of b, whose payload it unmasks in place, and how many
// bytes it took: 0 if b does not hold enough. With an error, a ws.ProtocolError, the piece is what
// came before the fault. What is returned does not depend on where the network cut the bytes.
func (r *reader) next(b []byte) (p piece, taken int, err error) {
	if r.left > 0 {
		p, err = r.data(b)
		return p, len(p.payload), err
	}
	h, size, err := r.header(b)
	switch {
	case err != nil || size == 0:
		return piece{}, 0, err
	case h.OpCode.IsControl():
		end := size + int(h.Length)
		if len(b) < end {
			return piece{}, 0, nil
		}
		ws.Cipher(b[size:end], h.Mask, 0)
		return piece{op: h.OpCode, payload: b[size:end]}, end, nil
	}
	r.begin(h)
	p, err = r.data(b[size:])
	return p, size + len(p.payload), err
}

// header reads a frame's header. size is its length, 0 while b does not hold all of it; what is
// wrong with the first two bytes is told at once.
func (r *reader) header(b []byte) (h ws.Header, size int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h = ws.Header{
		Fin:    b[0]&0x80 != 0,
		Rsv:    b[0] >> 4 & 7,
		OpCode: ws.OpCode(b[0] & 0x0f),
		Masked: b[1]&0x80 != 0,
		Length: int64(b[1] & 0x7f),
	}
	state := ws.StateServerSide
	if r.fragmented {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return h, 0, err
	}
	size = 2 + len(h.Mask)
	switch {
	case h.Length == 126 && len(b) >= size+2:
		size += 2
		if h.Length = int64(binary.BigEndian.Uint16(b[2:])); h.Length <= 125 {
			return h, 0, errLength
		}
	case h.Length == 127 && len(b) >= size+8:
		size += 8
		if h.Length = int64(binary.BigEndian.Uint64(b[2:])); h.Length <= 0xffff { // or negative: the top bit must be 0
			return h, 0, errLength
		}
	case h.Length >= 126 || len(b) < size:
		return h, 0, nil
	}
	h.Mask = [4]byte(b[size-4:])
	return h, size, nil
}

// begin starts a data frame (section 5.4).
func (r *reader) begin(h ws.Header) {
	if h.OpCode != ws.OpContinuation {
		r.text, r.utf8 = h.OpCode == ws.OpText, validator{}
	}
	r.left, r.mask, r.at, r.fragmented = h.Length, h.Mask, 0, !h.Fin
}

// data unmasks what b has of the current frame's payload, and returns it as far as it is valid.
func (r *reader) data(b []byte) (piece, error) {
	b = b[:min(r.left, int64(len(b)))]
	ws.Cipher(b, r.mask, int(r.at))
	r.at = uint8((int(r.at) + len(b)) % len(r.mask))
	r.left -= int64(len(b))
	last := r.left == 0 && !r.fragmented
	if !r.text {
		return piece{ws.OpBinary, b, last}, nil
	}
	if n := r.utf8.feed(b); n < len(b) {
		return piece{ws.OpText, b[:n], false}, errUTF8
	}
	if last && !r.utf8.whole() {
		return piece{ws.OpText, b, false}, errUTF8
	}
	return piece{ws.OpText, b, last}, nil
}
