package wire

import "encoding/binary"

// reader reads Kafka's encoding from the front of a slice. Once the slice is too short, or a number
// makes no sense, bad is set and everything read is zero.
type reader struct {
	b   []byte
	bad bool
}

// bytes returns the next n bytes, which alias the slice.
func (r *reader) bytes(n int64) []byte {
	if r.bad || n < 0 || n > int64(len(r.b)) {
		r.bad = true
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// number returns a number of n bytes, the most significant one first.
func (r *reader) number(n int64) (v uint64) {
	for _, b := range r.bytes(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *reader) int8() int8   { return int8(r.number(1)) }
func (r *reader) int16() int16 { return int16(r.number(2)) }
func (r *reader) int32() int32 { return int32(r.number(4)) }
func (r *reader) int64() int64 { return int64(r.number(8)) }

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// varbytes returns bytes behind their length, nil if that is -1.
func (r *reader) varbytes() []byte {
	n := r.varint()
	if n == -1 {
		return nil
	}
	return r.bytes(n)
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// tags passes by the tagged fields at the end of a structure.
func (r *reader) tags() {
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		r.uvarint() // which one
		r.bytes(int64(min(r.uvarint(), 1<<31)))
	}
}
