package bench

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

func TestStamp(t *testing.T) {
	want := stamp{math.MaxUint32, 1 << 31, 7, math.MaxInt64 - 5}
	b := make([]byte, stampSize)
	want.put(b)
	if got, ok := readStamp(b); !ok || got != want {
		t.Errorf("got %v, %v", got, ok)
	}
	for _, text := range []string{"", string(b[1:]), string(b[:stampSize-1]), strings.Replace(string(b), "f", "g", 1)} {
		if _, ok := readStamp([]byte(text)); ok {
			t.Errorf("%q has a stamp", text)
		}
	}
}

func TestHistory(t *testing.T) {
	var h history
	for _, step := range []struct {
		seq  uint32
		want verdict
	}{{1, inOrder}, {2, inOrder}, {2, doubled}, {5, inOrder}, {4, late}, {4, doubled}, {1, doubled}, {3, late},
		{200, inOrder}, {137, late}, {137, doubled}, {5, late}} {
		if got := h.add(step.seq); got != step.want {
			t.Errorf("%d: %d, want %d", step.seq, got, step.want)
		}
	}
}

// However the network cuts what a server sends, the same comes out of it, or the same fault.
func FuzzUnpack(f *testing.F) {
	frames := ws.MustCompileFrame(ws.NewFrame(ws.OpText, false, []byte("MESS")))
	frames = append(frames, ws.MustCompileFrame(ws.NewPingFrame([]byte("ping")))...)
	frames = append(frames, ws.MustCompileFrame(ws.NewFrame(ws.OpContinuation, true, bytes.Repeat([]byte("x"), 70000)))...)
	frames = append(frames, ws.MustCompileFrame(ws.NewTextFrame(make([]byte, 300)))...)
	f.Add(frames, uint16(1))
	f.Add([]byte{0x89, 0x7e, 0, 200}, uint16(3))
	f.Add([]byte{0x81, 0x85}, uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, step uint16) {
		read := func(step int) string {
			var text strings.Builder
			var u unpacker
			for rest := bytes.Clone(b); len(rest) > 0; rest = rest[min(step, len(rest)):] {
				err := u.unpack(rest[:min(step, len(rest))], func(b []byte) error { text.Write(b); return nil },
					func(op ws.OpCode, b []byte) error { fmt.Fprintf(&text, "[%x %x]", op, b); return nil })
				if err != nil {
					return text.String() + err.Error()
				}
				if len(u.held) >= maxControl {
					t.Fatalf("%d bytes are held", len(u.held))
				}
			}
			return text.String()
		}
		if whole, cut := read(len(b)+1), read(int(step%1000)+1); whole != cut {
			t.Errorf("%d bytes at a time: %.100q, want %.100q", step%1000+1, cut, whole)
		}
	})
}
