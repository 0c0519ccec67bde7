package stomp

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// seeds returns the contents of the files that hold frames.
func seeds(tb testing.TB) (wires [][]byte) {
	tb.Helper()
	files, err := filepath.Glob("../../testdata/stomp/*.frames")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		wire, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		wires = append(wires, wire)
	}
	return wires
}

// FuzzDecoder holds that frames and faults do not depend on where the network cut the bytes. cuts
// are the sizes of the pieces, again from the start when they end. Small limits make faults of
// size likely.
func FuzzDecoder(f *testing.F) {
	for _, wire := range seeds(f) {
		for v := Version(0); v <= V12; v++ {
			f.Add(wire, uint8(v), []byte{1}, false)
			f.Add(wire, uint8(v), []byte{30, 2, 11}, true)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, version uint8, cuts []byte, small bool) {
		v, limits := Version(version%4), DefaultLimits()
		if small {
			limits = Limits{Headers: 3, Line: 24, Head: 60, Body: 16}
		}
		whole := decode(v, limits, wire)
		if split := decode(v, limits, pieces(wire, cuts)...); !reflect.DeepEqual(whole, split) {
			t.Errorf("whole:\n%s\ncut:\n%s", whole, split)
		}
		if kept := decodeKeeping(v, limits, pieces(wire, cuts)); !reflect.DeepEqual(whole, kept) {
			t.Errorf("whole:\n%s\nkept:\n%s", whole, kept)
		}
	})
}

// pieces cuts wire into pieces of the sizes that cuts names.
func pieces(wire, cuts []byte) (all [][]byte) {
	for i := 0; len(wire) > 0; i++ {
		n := len(wire)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		all = append(all, wire[:n])
		wire = wire[n:]
	}
	return all
}

// decodeKeeping decodes like decode, but asks for one frame of each piece, and for all of them at
// the end.
func decodeKeeping(v Version, limits Limits, pieces [][]byte) outcome {
	d := NewDecoder(&limits)
	d.SetVersion(v)
	o := outcome{err: ErrIncomplete}
	for _, piece := range pieces {
		piece = bytes.Clone(piece)
		d.Feed(piece)
		var f Frame
		if d.Next(&f) == nil {
			o.frames = append(o.frames, f.Clone())
		}
		d.Keep()
		for i := range piece {
			piece[i] = 0xFF
		}
	}
	o.err = nextAll(&d, &o.frames)
	o.receipt = d.Receipt()
	return o
}

// FuzzFrame holds that what was decoded is decoded again from what is encoded of it, and encoded
// the same again. content-length is the encoder's own, and not compared.
func FuzzFrame(f *testing.F) {
	for _, wire := range seeds(f) {
		f.Add(wire)
	}
	// Escapes and a content-length of its own make a frame longer than it came.
	limits := Limits{Headers: 1 << 20, Line: 1 << 20, Head: 1 << 20, Body: 1 << 20}
	f.Fuzz(func(t *testing.T, wire []byte) {
		for v := Version(0); v <= V12; v++ {
			for _, frame := range decode(v, DefaultLimits(), wire).frames {
				if bodyOf(v, frame.Command) == bodyUnknown {
					continue // nobody writes it, and no frame follows it
				}
				encoded := AppendFrame(nil, v, &frame)
				o := decode(v, limits, encoded)
				if o.err != ErrIncomplete || len(o.frames) != 1 {
					t.Fatalf("in %v: %q is encoded %q, which is\n%s", v, frame, encoded, o)
				}
				again := o.frames[0]
				if got, want := show([]Frame{unsized(again)}), show([]Frame{unsized(frame)}); got != want {
					t.Errorf("in %v:\n%s\nbecomes\n%s", v, want, got)
				}
				if twice := AppendFrame(nil, v, &again); !bytes.Equal(twice, encoded) {
					t.Errorf("in %v:\n%q\nis encoded again as\n%q", v, encoded, twice)
				}
			}
		}
	})
}

// unsized returns f without its content-length entries.
func unsized(f Frame) Frame {
	f.Header = slices.DeleteFunc(slices.Clone(f.Header), func(e Entry) bool { return e.Name == HeaderContentLength })
	return f
}

// FuzzAppendEntry holds that an entry, whatever is in it, is either left out or decoded as it was,
// and that it never becomes more than one entry.
func FuzzAppendEntry(f *testing.F) {
	f.Add("name", "value")
	f.Add("a:b\\\r\n", "c:d\\\r\n\x00")
	f.Add("a", " b\r \t")
	f.Add("\xe9", "\u00fc")
	f.Fuzz(func(t *testing.T, name, value string) {
		limits := Limits{Headers: 4, Line: 1 << 20, Head: 1 << 20, Body: 4}
		for v := Version(0); v <= V12; v++ {
			entry := AppendEntry(nil, v, name, value)
			wire := AppendBody(append(AppendCommand(nil, CommandMessage), entry...), []byte("body"))
			var want Header
			if len(entry) > 0 && name != HeaderContentLength {
				want = Header{{name, trimValue([]byte(value), v)}}
			} else if len(entry) > 0 {
				continue // AppendFrame leaves it out
			}
			o := decode(v, limits, wire)
			if o.err != ErrIncomplete || len(o.frames) != 1 || string(o.frames[0].Body) != "body" {
				t.Fatalf("in %v: %q is\n%s", v, wire, o)
			}
			if got := unsized(o.frames[0]); show([]Frame{got}) != show([]Frame{{CommandMessage, want, got.Body}}) {
				t.Errorf("in %v: %q is\n%s", v, wire, o)
			}
			if plain := Plain(name) && Plain(value); plain && !bytes.Equal(entry, AppendEntry(nil, 0, name, value)) {
				t.Errorf("in %v: %q is plain but encoded %q", v, name+": "+value, entry)
			}
		}
	})
}
