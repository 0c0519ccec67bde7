package loop

// oneWrite is how much of what a turn queued for a connection is laid out as one piece, in bytes.
// More than that goes the way of a backlog, in pieces.
const oneWrite = 256 << 10

// run is the frames that one or several connections are to be sent in this turn, as a list from
// the last one back. Connections that were given the same frames hold the same run, so a fan-out
// costs a pointer for each connection and its bytes are laid out once.
type run struct {
	prev  *run
	next  *run   // the extension made last: where the next connection finds it
	frame []byte // shared; nobody changes it
	size  int    // of all frames up to this one, in bytes
	len   int    // number of frames
}

// extend returns the run that has frame after r's frames.
func (r *run) extend(frame []byte) *run {
	if n := r.next; n != nil && &n.frame[0] == &frame[0] && len(n.frame) == len(frame) {
		return n
	}
	r.next = &run{prev: r, frame: frame, size: r.size + len(frame), len: r.len + 1}
	return r.next
}

// layOut fills dst, of r.size bytes, with r's frames.
func (r *run) layOut(dst []byte) {
	for ; r.prev != nil; r = r.prev {
		copy(dst[r.prev.size:], r.frame)
	}
}

// frames appends r's frames to dst, oldest first.
func (r *run) frames(dst [][]byte) [][]byte {
	at := len(dst) + r.len
	dst = append(dst, make([][]byte, r.len)...)
	for ; r.prev != nil; r = r.prev {
		at--
		dst[at] = r.frame
	}
	return dst
}

// flat remembers the run that was laid out last, for the next connection that holds it.
type flat struct {
	run *run
	buf []byte
}

// bytes returns r as one piece, valid until the next call.
func (f *flat) bytes(r *run) []byte {
	if r.len == 1 {
		return r.frame
	}
	if f.run != r {
		if cap(f.buf) < r.size {
			f.buf = make([]byte, max(r.size, 4096))
		}
		f.run, f.buf = r, f.buf[:r.size]
		r.layOut(f.buf)
	}
	return f.buf
}

func (f *flat) forget() { f.run = nil }

// backlog is what did not fit a connection's socket buffer: references to frames, not copies.
type backlog struct {
	frames [][]byte
	off    int // bytes of frames[0] that have left
	size   int // bytes that have not
}

// first returns as many frames as buf holds as one piece, which may be in buf, or one frame if that
// is longer. There must be one.
func (b *backlog) first(buf []byte) []byte {
	piece := b.frames[0][b.off:]
	if len(b.frames) == 1 || len(piece) >= len(buf) {
		return piece
	}
	n := copy(buf, piece)
	for _, frame := range b.frames[1:] {
		if n+len(frame) > len(buf) {
			break
		}
		n += copy(buf[n:], frame)
	}
	return buf[:n]
}

// add puts the frames of r behind those there are, minus the n bytes already written.
func (b *backlog) add(r *run, n int) {
	b.frames = r.frames(b.frames)
	b.size += r.size
	b.advance(n)
}

// advance drops the first n bytes.
func (b *backlog) advance(n int) {
	b.size -= n
	n += b.off
	i := 0
	for i < len(b.frames) && n >= len(b.frames[i]) {
		n -= len(b.frames[i])
		i++
	}
	// The array may live on for long, its frames need not. Its head is given up when it has to grow.
	clear(b.frames[:i])
	b.frames, b.off = b.frames[i:], n
}

// cut drops every frame that has not begun to leave. That may be all.
func (b *backlog) cut() {
	if b.off == 0 {
		*b = backlog{}
		return
	}
	b.frames = [][]byte{b.frames[0]}
	b.size = len(b.frames[0]) - b.off
}
