package kafkabus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// codecs are all compressions, and the snappy of producers that are not Java.
var codecs = map[string]func(t *testing.T, b []byte) (attributes protocol.Attributes, packed []byte){
	"gzip":   by(compress.Gzip),
	"snappy": by(compress.Snappy),
	"lz4":    by(compress.Lz4),
	"snappy in one block": func(_ *testing.T, b []byte) (protocol.Attributes, []byte) {
		return protocol.Snappy, snappy.Encode(nil, b)
	},
	"zstd": func(t *testing.T, b []byte) (protocol.Attributes, []byte) { // does not say how much it is
		var packed bytes.Buffer
		write(t, zstdWriter(t, &packed), b)
		return protocol.Zstd, packed.Bytes()
	},
	"zstd in one piece": func(t *testing.T, b []byte) (protocol.Attributes, []byte) { // says it
		return protocol.Zstd, zstdWriter(t, nil).EncodeAll(b, nil)
	},
}

// zstdWriter returns one with a window that a test's unpacker takes.
func zstdWriter(t *testing.T, to io.Writer) *zstd.Encoder {
	w, err := zstd.NewWriter(to, zstd.WithWindowSize(128<<10), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func write(t *testing.T, w io.WriteCloser, b []byte) {
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func by(c compress.Compression) func(*testing.T, []byte) (protocol.Attributes, []byte) {
	return func(t *testing.T, b []byte) (protocol.Attributes, []byte) {
		var packed bytes.Buffer
		write(t, c.Codec().NewWriter(&packed), b)
		return protocol.Attributes(c), packed.Bytes()
	}
}

// compressed returns the batch with its records compressed.
func compressed(t *testing.T, b []byte, codec string) []byte {
	attributes, packed := codecs[codec](t, b[wire.BatchHead:])
	b = join(b[:wire.BatchHead], packed)
	length := len(b) - batchPrefix
	b[8], b[9], b[10], b[11] = byte(length>>24), byte(length>>16), byte(length>>8), byte(length)
	return alter(b, 22, byte(attributes))
}

// boundedDelivery is newDelivery with other bounds on what is unpacked.
func boundedDelivery(kept, most int) *delivery {
	d := newDelivery(10, 100)
	d.fetcher.tail.unpacker, d.fetcher.tail.mostUnpacked = wire.NewUnpacker(kept), most
	return d
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestUnpack: what is at the bound passes, what is over it is counted and skipped, and what comes
// after it is read. Nothing of a large batch stays.
func TestUnpack(t *testing.T) {
	const kept, most = 256 << 10, 1 << 20
	next := written(t, 13, 0, text("next")...)
	for codec := range codecs {
		for _, test := range []struct {
			name   string
			size   int // of the second record's value
			passes bool
		}{
			{"small", 1000, true},
			{"the largest that is kept", kept - 40, true},
			{"large", kept, true},
			{"the largest", most - 40, true},
			{"too large", most, false},
			{"far too large", 2 * most, false},
		} {
			t.Run(codec+"/"+test.name, func(t *testing.T) {
				set := join(compressed(t, written(t, 10, 0, text("a", strings.Repeat("x", test.size), "c")...), codec), next)
				d := boundedDelivery(kept, most)
				lengths := ""
				d.fetcher.tail.handle = func(rec *wire.Record, _ *repeats) { lengths += fmt.Sprintf("%d:%d ", rec.Offset, len(rec.Value)) }
				cost := allocated(func() {
					if err := d.deliver(set, d.fetcher); err != nil {
						t.Fatal(err)
					}
				})
				want, skipped := fmt.Sprintf("10:1 11:%d 12:1 13:4 ", test.size), uint64(0)
				if !test.passes {
					want, skipped = "13:4 ", 3
				}
				if lengths != want || d.offset.Load() != 14 || d.fetcher.tail.skipped.Load() != skipped {
					t.Errorf("got %s, next %d, %d skipped, want %s, 14, %d", lengths, d.offset.Load(), d.fetcher.tail.skipped.Load(), want, skipped)
				}
				if cap(d.fetcher.room) > 2*kept || d.fetcher.large || len(d.fetcher.tail.large) > 0 || d.fetcher.rec.Value != nil {
					t.Errorf("%d bytes stay", cap(d.fetcher.room))
				}
				if cost > 6*(kept+most)+32<<20 { // each size that its memory grew to, and the buffers of a codec, twice if the collector takes them
					t.Errorf("%d bytes were allocated in all", cost)
				}
			})
		}
	}
}

// TestUnpackClaims: what a batch claims of itself costs nothing.
func TestUnpackClaims(t *testing.T) {
	const xerialMark = "\x82SNAPPY\x00" // how Java's begin
	batch := written(t, 10, 0, text("a")...)
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f} // 4 GiB
	for name, packed := range map[string][]byte{
		"a block of snappy":          huge,
		"a frame of snappy":          []byte(xerialMark + "\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xffxyz"),
		"a block of a frame":         append([]byte(xerialMark+"\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x05"), huge...),
		"a frame without a length":   []byte(xerialMark + "\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00"),
		"a frame that holds nothing": []byte(xerialMark + "\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00"),
		"nothing":                    nil,
	} {
		b := alter(join(batch[:wire.BatchHead], packed), 22, byte(protocol.Snappy))
		length := len(b) - batchPrefix
		b[10], b[11] = byte(length>>8), byte(length)
		d := newDelivery(10, 100)
		cost := allocated(func() {
			if err := d.deliver(b, d.fetcher); err != nil || d.offset.Load() != 11 || d.fetcher.tail.skipped.Load() != 1 {
				t.Errorf("%s: %v, next %d, %d skipped", name, err, d.offset.Load(), d.fetcher.tail.skipped.Load())
			}
		})
		if cost > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", name, cost)
		}
	}
}

// TestTooLargeAnswer: a batch that is larger than an answer may be is counted and skipped, before it is
// read; those around it and other partitions come.
func TestTooLargeAnswer(t *testing.T) {
	f := servers.Fake(t, 1)
	if err := f.CreateTopic("a", 2, map[string]string{limitName: "40000000"}); err != nil {
		t.Fatal(err)
	}
	w := newWriter(t, f.Addrs)
	r := start(t, func(t *tail) { t.mostAnswer = mostBytes + 1<<20 }, f.Addrs, nil, "a")
	r.wait(r.ready, "to be ready")
	w.must("a", 0, "before")
	r.of("a", 0, 1)
	w.must("a", 0, strings.Repeat("x", mostBytes+2<<20))
	w.must("a", 0, "after")
	w.must("a", 1, "beside")
	if got := values(r.of("a", 0, 2)); got != "before after" {
		t.Errorf("got %.100s", got)
	}
	if got := values(r.of("a", 1, 1)); got != "beside" {
		t.Errorf("got %.100s of the other partition", got)
	}
	if f := r.figures(); f.Skipped != 1 {
		t.Errorf("figures %+v", f)
	}
}

// TestUnpackInTurn: a fetcher with a large batch waits while another one has one, until the bus ends.
func TestUnpackInTurn(t *testing.T) {
	set := compressed(t, written(t, 10, 0, text(strings.Repeat("x", 1<<20))...), "gzip")
	d := boundedDelivery(256<<10, 2<<20)
	d.fetcher.tail.large <- struct{}{} // another one's
	ctx, cancel := context.WithCancel(context.Background())
	d.fetcher.tail.ctx = ctx
	ended := make(chan error, 1)
	go func() { ended <- d.deliver(set, d.fetcher) }()
	for range 10 {
		runtime.Gosched()
	}
	select {
	case <-ended:
		t.Fatal("it did not wait")
	default:
	}
	cancel()
	if err := <-ended; err != nil || d.offset.Load() != 10 || d.fetcher.tail.skipped.Load() != 0 {
		t.Errorf("after the end: %v, next %d", err, d.offset.Load())
	}
	d.fetcher.tail.ctx = t.Context()
	<-d.fetcher.tail.large
	if err := d.deliver(set, d.fetcher); err != nil || d.offset.Load() != 11 {
		t.Errorf("in its turn: %v, next %d", err, d.offset.Load())
	}
}
