package ws

import "unicode/utf8"

// validator checks that a text message is UTF-8 over all its fragments (section 5.6). The zero
// value begins a message.
type validator struct {
	tail [utf8.UTFMax - 1]byte // an unfinished character
	n    uint8                 // bytes of it
}

// feed takes the next bytes and returns how many of them can still be part of a valid message:
// fewer than there are when the one that follows them can't.
func (v *validator) feed(b []byte) int {
	at := 0
	for at < len(b) && v.n > 0 {
		if !v.extend(b[at]) {
			return at
		}
		at++
	}
	if at == len(b) {
		return at
	}
	if end := len(b) - unfinished(b[at:]); utf8.Valid(b[at:end]) {
		v.n = uint8(copy(v.tail[:], b[end:]))
		return len(b)
	}
	for v.extend(b[at]) {
		at++
	}
	return at
}

// extend takes one byte, and reports whether it can stand here.
func (v *validator) extend(c byte) bool {
	var char [utf8.UTFMax]byte
	n := copy(char[:], v.tail[:v.n])
	char[n] = c
	if utf8.FullRune(char[:n+1]) {
		v.n = 0
		return utf8.Valid(char[:n+1])
	}
	v.tail[n] = c
	v.n++
	return true
}

// whole reports whether the message may end here.
func (v *validator) whole() bool { return v.n == 0 }

// unfinished is how many bytes at the end of b are the beginning of a character that goes on.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}
