package stomp

import (
	"bytes"
	"strings"
	"testing"
	"unsafe"
)

// TestMemory holds that memory follows what has come, not what was announced.
func TestMemory(t *testing.T) {
	limits := DefaultLimits()

	t.Run("a content-length is only a promise", func(t *testing.T) {
		d := NewDecoder(&limits)
		d.SetVersion(V12)
		feed := func(piece string) {
			d.Feed([]byte(piece))
			if err := d.Next(&Frame{}); err != ErrIncomplete {
				t.Fatal(err)
			}
			if n := d.Buffered(); cap(d.held) > 2*n+n/2+64 { // the allocator rounds up
				t.Fatalf("%d octets have come, %d are taken", n, cap(d.held))
			}
		}
		feed("SEND\ncontent-length:60000\n\n")
		for range 599 {
			feed(strings.Repeat("x", 100))
		}
	})
	t.Run("no octet is looked at twice", func(t *testing.T) {
		d := NewDecoder(&limits)
		d.SetVersion(V12)
		wire := "SEND\ndestination:/queue/a\nreceipt:1\n\n" + strings.Repeat("x", 5000)
		for i := range len(wire) {
			d.Feed([]byte{wire[i]})
			if err := d.Next(&Frame{}); err != ErrIncomplete {
				t.Fatal(err)
			}
			if d.scan.at != i+1 {
				t.Fatalf("%d octets have come, the scan is at %d", i+1, d.scan.at)
			}
		}
	})
	t.Run("an idle decoder holds nothing", func(t *testing.T) {
		d := NewDecoder(&limits)
		d.SetVersion(V12)
		var f Frame
		d.Feed([]byte("SEND\n\nhalf"))
		err1 := d.Next(&f)
		d.Feed([]byte(" a frame\x00\n"))
		err2 := d.Next(&f)
		if err1 != ErrIncomplete || err2 != nil || string(f.Body) != "half a frame" {
			t.Fatal(err1, err2, f)
		}
		if err := d.Next(&f); err != ErrIncomplete || d.held != nil || d.in != nil || d.Buffered() != 0 {
			t.Errorf("%v, held %q, in %q", err, d.held, d.in)
		}
	})
	t.Run("only what the frame needs is copied", func(t *testing.T) {
		d := NewDecoder(&limits)
		d.SetVersion(V12)
		for _, head := range []string{"SE", "SEND\na:b\n\nx", "SEND\ncontent-length:3\n\nx"} {
			d.Feed([]byte(head))
			var f Frame
			if err := d.Next(&f); err != ErrIncomplete {
				t.Fatal(err)
			}
			rest := "yz\x00" + strings.Repeat("DISCONNECT\n\n\x00", 1000)
			if head == "SE" {
				rest = "ND\n\nx" + rest
			}
			d.Feed([]byte(rest))
			if err := d.Next(&f); err != nil || string(f.Body) != "xyz" || cap(f.Body) > 3 {
				t.Fatalf("%v %+v", err, f)
			}
			if d.held != nil || d.Buffered() != 13000 {
				t.Errorf("held %d octets, buffered %d", len(d.held), d.Buffered())
			}
			if err := nextAll(&d, new([]Frame)); err != ErrIncomplete {
				t.Fatal(err)
			}
		}
	})
	t.Run("a decoder is small", func(t *testing.T) {
		if size := unsafe.Sizeof(Decoder{}); size > 128 {
			t.Errorf("%d octets", size)
		}
	})
}

// TestKeep holds that after Keep the fed memory is the caller's again, and that Feed may follow.
func TestKeep(t *testing.T) {
	limits := DefaultLimits()
	d := NewDecoder(&limits)
	d.SetVersion(V12)
	d.Feed([]byte("BEG"))
	if err := d.Next(&Frame{}); err != ErrIncomplete {
		t.Fatal(err)
	}
	piece := []byte("IN\ntransaction:1\n\n\x00SEND\n\none\x00SEND\n\ntw")
	d.Feed(piece)
	d.Keep()
	copy(piece, bytes.Repeat([]byte{0xFF}, len(piece)))
	if n := d.Buffered(); n != len(piece)+3 {
		t.Errorf("buffered %d octets, want %d", n, len(piece)+3)
	}
	d.Feed([]byte("o\x00"))
	var f Frame
	if err := d.Next(&f); err != nil || f.Command != CommandBegin {
		t.Fatal(err, f)
	}
	d.Keep()
	if n := testing.AllocsPerRun(10, d.Keep); n != 0 {
		t.Errorf("Keep again: %v allocations", n)
	}
	var o outcome
	o.err = nextAll(&d, &o.frames)
	if got, want := o.String(), "SEND \"one\"\nSEND \"two\""; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if d.Keep(); d.Buffered() != 0 {
		t.Error("Keep of nothing keeps something")
	}
}

// TestDecodeAllocs holds that a frame of known names costs no allocation, and one that was cut the
// two that hold it.
func TestDecodeAllocs(t *testing.T) {
	limits := DefaultLimits()
	d := NewDecoder(&limits)
	d.SetVersion(V12)
	var f Frame
	wire := []byte("SEND\ndestination:/app/topic/chat\ncontent-type:application/json\nAuthorization:Bearer x.y.z\n" +
		"client-request-code:7\nreceipt:" + `a\cb` + "\ncontent-length:13\n\n" + `{"chat":"hi"}` + "\x00\n")
	buf := make([]byte, len(wire))
	next := func(b []byte, want error) {
		d.Feed(b)
		if err := d.Next(&f); err != want {
			t.Fatal(err)
		}
	}
	next(bytes.Clone(wire), nil) // f.Header takes its memory
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, wire)
		next(buf, nil)
		if err := d.Next(&f); err != ErrIncomplete {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a whole frame: %v allocations", n)
	}
	for _, at := range []int{3, 40, len(wire) / 2, len(wire) - 5} {
		if n := testing.AllocsPerRun(100, func() {
			copy(buf, wire)
			next(buf[:at], ErrIncomplete)
			next(buf[at:], nil)
			if err := d.Next(&f); err != ErrIncomplete {
				t.Fatal(err)
			}
		}); n > 2 {
			t.Errorf("a frame cut at %d: %v allocations", at, n)
		}
	}
}
