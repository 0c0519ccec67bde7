package ws

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// frame is a client's frame: its first byte, its payload, and a mask.
func frame(first byte, payload string) []byte {
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b := appendHeader(nil, ws.OpText, len(payload))
	b[0], b[1] = first, b[1]|0x80
	b = append(append(b, mask[:]...), payload...)
	ws.Cipher(b[len(b)-len(payload):], mask, 0)
	return b
}

// heard is what a reader made of some bytes.
type heard struct {
	data     string   // of all messages
	controls []string // with the number of data bytes before each
	err      error
}

// read feeds pieces as a loop does: what is not taken is given again with what follows.
func read(pieces ...[]byte) (h heard) {
	var r reader
	var kept []byte
	for _, p := range pieces {
		kept = append(kept, p...)
		for len(kept) > 0 {
			p, n, err := r.next(kept)
			if p.op.IsControl() {
				h.controls = append(h.controls, fmt.Sprintf("%d: %x %q", len(h.data), p.op, p.payload))
			} else {
				h.data += string(p.payload)
			}
			if h.err = err; err != nil {
				return h
			}
			if n == 0 {
				break
			}
			kept = kept[n:]
		}
	}
	return h
}

func (h heard) String() string {
	return fmt.Sprintf("data %q, controls %q, error %v", h.data, h.controls, h.err)
}

// TestReaderCuts cuts a conversation that has everything in it at every place.
func TestReaderCuts(t *testing.T) {
	wire := bytes.Join([][]byte{
		frame(0x01, "gr\xc3"), frame(0x89, "ping"), frame(0x00, ""), frame(0x80, "\xbc\xc3\x9fe"),
		frame(0x82, "\xff"+strings.Repeat("x", 125)), frame(0x81, ""), frame(0x8a, ""), frame(0x88, "\x03\xe8bye"),
	}, nil)
	want := heard{"grüße\xff" + strings.Repeat("x", 125), []string{`3: 9 "ping"`, `133: a ""`, `133: 8 "\x03\xe8bye"`}, nil}
	if got := read(bytes.Clone(wire)); got.String() != want.String() {
		t.Fatalf("whole: %v\nwant %v", got, want)
	}
	for cut := range wire {
		if got := read(bytes.Clone(wire[:cut]), bytes.Clone(wire[cut:])); got.String() != want.String() {
			t.Errorf("cut at %d: %v", cut, got)
		}
	}
	if got := read(slices.Collect(slices.Chunk(bytes.Clone(wire), 1))...); got.String() != want.String() {
		t.Errorf("a byte at a time: %v", got)
	}
}

// TestReaderKeepsWhatCameBefore holds that a fault does not take the bytes before it along.
func TestReaderKeepsWhatCameBefore(t *testing.T) {
	for name, c := range map[string]struct {
		wire []byte
		want heard
	}{
		"wrong byte":     {frame(0x81, "abc\xffdef"), heard{"abc", nil, errUTF8}},
		"unfinished end": {frame(0x81, "abc\xe2\x82"), heard{"abc\xe2\x82", nil, errUTF8}},
		"next frame":     {append(frame(0x82, "abc"), frame(0xc2, "def")...), heard{"abc", nil, ws.ErrProtocolNonZeroRsv}},
	} {
		t.Run(name, func(t *testing.T) {
			for cut := range c.wire {
				if got := read(bytes.Clone(c.wire[:cut]), bytes.Clone(c.wire[cut:])); got.String() != c.want.String() {
					t.Errorf("cut at %d: %v\nwant %v", cut, got, c.want)
				}
			}
		})
	}
}

// TestReaderTellsAtOnce holds that faults of a frame's first two bytes do not wait for its length.
func TestReaderTellsAtOnce(t *testing.T) {
	for name, wire := range map[string]string{
		"reserved opcode":      "\x83\xff",
		"reserved bit":         "\xc1\xff",
		"no mask":              "\x81\x7f",
		"long control":         "\x89\xfe",
		"control fragment":     "\x09\x80",
		"nothing to go on":     "\x80\x80",
		"message in a message": string(frame(0x01, "")) + "\x81\xff",
	} {
		t.Run(name, func(t *testing.T) {
			if got := read([]byte(wire)); got.err == nil {
				t.Error("no fault yet")
			}
		})
	}
}

func TestReaderDoesNotAllocate(t *testing.T) {
	wire := bytes.Join([][]byte{frame(0x81, "hello"), frame(0x89, ""), frame(0x82, strings.Repeat("x", 70000))}, nil)
	var r reader
	if n := testing.AllocsPerRun(100, func() {
		for b := wire; len(b) > 0; {
			_, n, err := r.next(b)
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		ws.Cipher(wire[6:11], [4]byte(wire[2:6]), 0) // the text again as it was
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestLengths holds that messages of the lengths where the encoding changes are written, and read, as others do.
func TestLengths(t *testing.T) {
	for _, size := range []int{0, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte{'x'}, size)
		for _, text := range []bool{true, false} {
			f := ws.NewBinaryFrame(payload)
			if text {
				f = ws.NewTextFrame(payload)
			}
			if got := (Framing{}).Append(nil, text, payload[:size/2], payload[size/2:]); !bytes.Equal(got, ws.MustCompileFrame(f)) {
				t.Errorf("of %d bytes: %.80q", size, got)
			}
			if got := read(ws.MustCompileFrame(ws.MaskFrame(f))); got.data != string(payload) || got.err != nil {
				t.Errorf("of %d bytes, %d are read, %v", size, len(got.data), got.err)
			}
		}
	}
}

// FuzzReader holds that what a client said does not depend on where the network cut the bytes.
func FuzzReader(f *testing.F) {
	for _, seed := range [][]byte{
		frame(0x81, "CONNECT\naccept-version:1.2\n\n\x00"),
		append(frame(0x01, "gr\xc3"), frame(0x80, "\xbc")...),
		append(frame(0x01, "a"), append(frame(0x89, "p"), frame(0x80, "b")...)...),
		frame(0x82, strings.Repeat("\xff", 126)),
		frame(0x88, "\x03\xe8bye"),
		frame(0x81, "\xed\xa0\x80"),
		frame(0xf3, ""),
		{0x81, 0x05, 'h', 'e', 'l', 'l', 'o'},
		{0x82, 0xfe, 0, 5, 1, 2, 3, 4},
		{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5},
	} {
		f.Add(seed, uint16(1), uint16(3))
	}
	f.Fuzz(func(t *testing.T, wire []byte, first, second uint16) {
		i := int(first) % (len(wire) + 1)
		j := i + int(second)%(len(wire)-i+1)
		whole := read(bytes.Clone(wire))
		cut := read(bytes.Clone(wire[:i]), bytes.Clone(wire[i:j]), bytes.Clone(wire[j:]))
		if whole.String() != cut.String() {
			t.Errorf("whole: %v\ncut at %d and %d: %v", whole, i, j, cut)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{50, 300, 16 << 10} {
		b.Run(fmt.Sprintf("payload=%d", size), func(b *testing.B) {
			wire := frame(0x82, strings.Repeat("x", size)) // binary, since each turn unmasks or masks it
			b.SetBytes(int64(size))
			var r reader
			for b.Loop() {
				if _, _, err := r.next(wire); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
