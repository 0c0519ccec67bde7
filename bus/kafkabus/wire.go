package kafkabus

import "encoding/binary"

// wire reads Kafka's encoding from the front of a slice. Once the slice is too short, or a number
// makes no sense, bad is set and everything read is zero.
type wire struct {
	b   []byte
	bad bool
}

// bytes returns the next n bytes, which alias the slice.
func (w *wire) bytes(n int64) []byte {
	if w.bad || n < 0 || n > int64(len(w.b)) {
		w.bad = true
		return nil
	}
	b := w.b[:n:n]
	w.b = w.b[n:]
	return b
}

func (w *wire) int8() int8 {
	if b := w.bytes(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (w *wire) int16() int16 {
	if b := w.bytes(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (w *wire) int32() int32 {
	if b := w.bytes(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (w *wire) int64() int64 {
	if b := w.bytes(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (w *wire) varint() int64 {
	v, n := binary.Varint(w.b)
	if w.bad || n <= 0 {
		w.bad = true
		return 0
	}
	w.b = w.b[n:]
	return v
}

// varbytes returns bytes behind their length, nil if that is -1.
func (w *wire) varbytes() []byte {
	n := w.varint()
	if n == -1 {
		return nil
	}
	return w.bytes(n)
}

func (w *wire) uvarint() uint64 {
	v, n := binary.Uvarint(w.b)
	if w.bad || n <= 0 {
		w.bad = true
		return 0
	}
	w.b = w.b[n:]
	return v
}

// length returns a length in the compact encoding, 0 for what is not there.
func (w *wire) length() int64 {
	n := w.uvarint()
	if n > 1<<31 {
		w.bad = true
		return 0
	}
	return max(0, int64(n)-1)
}

// tags passes by the tagged fields at the end of a structure.
func (w *wire) tags() {
	for n := w.uvarint(); n > 0 && !w.bad; n-- {
		w.uvarint() // which one
		w.bytes(int64(min(w.uvarint(), 1<<31)))
	}
}
