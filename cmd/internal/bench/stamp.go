package bench

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// stamp begins every body: which flow it belongs to, as which of its messages, and when it left. It is of fixed width and
// in ASCII, so that it passes through whatever carries text.
type stamp struct {
	run  uint32 // the benchmark that it belongs to: others may use the destination too
	flow uint32
	seq  uint32 // from 1; 0 is a probe
	sent int64  // nanoseconds since the run began
}

// stampSize is the bytes of a stamp: "bench", three numbers of 8 hexadecimal digits, one of 16.
const stampSize = len(mark) + 3*8 + 16

const mark = "bench"

// put writes s to the beginning of b.
func (s stamp) put(b []byte) {
	var raw [20]byte
	for i, v := range [...]uint32{s.run, s.flow, s.seq} {
		binary.BigEndian.PutUint32(raw[4*i:], v)
	}
	binary.BigEndian.PutUint64(raw[12:], uint64(s.sent))
	hex.Encode(b[copy(b, mark):], raw[:])
}

// readStamp reads what put has written, and reports whether it is there.
func readStamp(b []byte) (s stamp, ok bool) {
	var raw [20]byte
	if len(b) < stampSize || string(b[:len(mark)]) != mark {
		return s, false
	}
	if _, err := hex.Decode(raw[:], b[len(mark):stampSize]); err != nil {
		return s, false
	}
	order := binary.BigEndian
	return stamp{order.Uint32(raw[:]), order.Uint32(raw[4:]), order.Uint32(raw[8:]), int64(order.Uint64(raw[12:]))}, true
}

// flow is what a publisher sends to a destination: a SEND that is ready to leave but for its stamp.
type flow struct {
	*conn
	stamp
	packed []byte // as it goes over the wire
	body   []byte // of packed
}

// newFlow makes a SEND to a destination with a body of size bytes and the stamp s.
func (t *target) newFlow(s stamp, c *conn, destination string, size int) *flow {
	body := bytes.Repeat([]byte{'x'}, size)
	s.put(body)
	packed := c.pack(t.sendFrame(destination, body))
	return &flow{c, s, packed, packed[len(packed)-size-1:]} // behind the body is a NUL
}

// send sends the next message of the flow.
func (f *flow) send(now int64) error {
	f.seq++
	f.sent = now
	f.put(f.body)
	return f.write(f.packed)
}

// history is which messages of a flow a subscriber has seen. It knows the last 64 one by one.
type history struct {
	last uint32
	seen uint64 // bit i: last-i
}

// verdict is what a message is to a subscriber.
type verdict int

const (
	inOrder verdict = iota
	late            // it came behind a later one
	doubled
)

func (h *history) add(seq uint32) verdict {
	if seq > h.last {
		h.seen = h.seen<<(seq-h.last) | 1
		h.last = seq
		return inOrder
	}
	bit := uint64(1) << (h.last - seq) // 0 for one that is older than is known, which is taken for late
	if h.seen&bit != 0 {
		return doubled
	}
	h.seen |= bit
	return late
}
