package stomp

import (
	"bytes"
	"slices"
)

// Decoder turns what one connection sends into frames. It is fed and asked in turns:
//
//	d.Feed(b)
//	for {
//		if err := d.Next(&f); err != nil {
//			break // ErrIncomplete: read more; *ProtocolError: answer and close
//		}
//		// use f
//	}
//
// Each octet is looked at once for the frame's end, however small the pieces it comes in. A Decoder is
// small, and holds no memory while no frame is half received. It belongs to one goroutine at a time and
// must not be copied once in use.
type Decoder struct {
	limits  *Limits
	held    []byte // the start of the frame being read, our copy; nil when that frame starts in in
	in      []byte // fed, and neither held nor decoded; the feeder's memory unless kept
	spent   *spent // set by the first fault
	offset  int64  // of the frame being read, in the connection's inbound stream
	scan    scan
	version Version
	kept    bool
}

// spent is what is left of a Decoder after a fault.
type spent struct {
	err     *ProtocolError
	receipt []byte
}

// NewDecoder returns a Decoder for a connection that has not negotiated a version. limits is
// shared: it must not change while any Decoder made with it is in use.
func NewDecoder(limits *Limits) Decoder {
	return Decoder{limits: limits}
}

// SetVersion sets the version of the frames from the next one on. Before it is called, headers are
// read as those of CONNECT are, that is, without escapes.
func (d *Decoder) SetVersion(v Version) {
	d.version = v
}

// Feed gives the decoder the bytes that follow those of the last Feed. It borrows b, and writes to
// it (escapes are resolved in place), until Next returns an error or Keep is called; only then may
// the caller use b again or call Feed.
func (d *Decoder) Feed(b []byte) {
	switch {
	case d.spent != nil:
	case len(d.in) == 0:
		d.in, d.kept = b, false
	default: // earlier bytes wait still
		d.Keep()
		d.in = append(d.in, b...)
	}
}

// Next fills f with the next whole frame, or returns ErrIncomplete when the bytes fed so far end
// before one does. It reuses the memory of f.Header; the values and Body alias the bytes fed, so
// they are good until the caller reuses those: to keep them longer, Clone the frame. Appending to them
// copies them. End-of-lines between frames are heart-beats and skipped ("Heart-beating").
//
// Of a frame whose command the protocol does not know, f has the head, as soon as it is complete. Nobody
// knows where such a frame ends, so the caller must refuse it and close.
//
// Any other error is a *ProtocolError, the same for every further call: the decoder is spent, and
// the connection must close ("ERROR").
func (d *Decoder) Next(f *Frame) error {
	if d.spent != nil {
		return d.spent.err
	}
	for {
		buf := d.skipHeartBeats()
		size, err := d.scanFrame(buf)
		if err != nil {
			return d.fail(buf, err)
		}
		if size > 0 {
			d.parse(f, buf[:size:size])
			d.drop(size)
			return nil
		}
		if !d.hold() {
			return ErrIncomplete
		}
	}
}

// Keep copies what was fed and not decoded yet, so that the feeder has its memory back before Next
// returns ErrIncomplete. A frame that Next returned earlier still aliases that memory. What is kept is
// copied once, however often Keep is called.
func (d *Decoder) Keep() {
	if !d.kept {
		d.in, d.kept = bytes.Clone(d.in), true
	}
}

// Buffered returns how many octets have been fed but not decoded yet.
func (d *Decoder) Buffered() int {
	return len(d.held) + len(d.in)
}

// Receipt returns, after a *ProtocolError, the receipt that the faulty frame asked for in a header
// line before the fault, nil for none. The ERROR repeats it as receipt-id ("ERROR"). The caller
// owns it.
func (d *Decoder) Receipt() []byte {
	if d.spent == nil {
		return nil
	}
	return d.spent.receipt
}

// skipHeartBeats returns the bytes of the frame being read, without the end-of-lines that came
// before it.
func (d *Decoder) skipHeartBeats() []byte {
	for {
		buf := d.in
		if d.held != nil {
			buf = d.held
		}
		n := eol(buf)
		if n == 0 {
			return buf
		}
		d.drop(n)
	}
}

// eol returns the length of the end-of-line that b starts with, 0 for none ("STOMP Frames").
func eol(b []byte) int {
	switch {
	case len(b) > 0 && b[0] == '\n':
		return 1
	case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
		return 2
	}
	return 0
}

// drop forgets n decoded octets.
func (d *Decoder) drop(n int) {
	d.offset += int64(n)
	d.scan = scan{}
	switch {
	case d.held == nil:
		d.in = d.in[n:]
	case n < len(d.held): // a heart-beat whose CR and LF came apart
		d.held = d.held[n:]
	default: // all of it, because hold takes nothing beyond the frame's end
		d.held = nil
	}
}

// hold copies what the frame being read needs next from in to held, and reports whether that gives
// the scan something new to look at. When it does not, in is empty and the feeder's memory free.
func (d *Decoder) hold() bool {
	n := len(d.in) // the scan has seen all of it
	if d.held != nil {
		n = d.wanted()
	}
	more := d.held != nil && n > 0
	if left := d.scan.end() - len(d.held); n < left && n > cap(d.held)-len(d.held) {
		// content-length is only a promise: take no more than twice of what has come.
		d.held = slices.Grow(d.held, min(left, len(d.held)+2*n))
	}
	d.held = append(d.held, d.in[:n]...)
	d.in = d.in[n:]
	if !more {
		d.in = nil
	}
	return more
}

// fail ends the use of the decoder.
func (d *Decoder) fail(buf []byte, err *ProtocolError) error {
	d.spent = &spent{err: err, receipt: d.receiptOf(buf)}
	d.held, d.in = nil, nil
	return err
}
