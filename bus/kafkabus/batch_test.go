package kafkabus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
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

const batchPrefix = 12 // bytes of a batch that its own length does not count

// written returns a batch as kafka-go writes it, at the given offset.
func written(t testing.TB, offset int64, attributes protocol.Attributes, records ...protocol.Record) []byte {
	t.Helper()
	set := protocol.RecordSet{Version: 2, Attributes: attributes, Records: protocol.NewRecordReader(records...)}
	var buf bytes.Buffer
	if _, err := set.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	b := buf.Bytes()[4:] // behind the size of the set
	binary.BigEndian.PutUint64(b, uint64(offset))
	return b
}

func text(values ...string) (records []protocol.Record) {
	for _, v := range values {
		records = append(records, protocol.Record{Value: protocol.NewBytes([]byte(v))})
	}
	return records
}

// resum makes the checksum of a batch right again.
func resum(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// alter returns a batch with other bytes at a place, and a right checksum.
func alter(b []byte, at int, with ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], with)
	return resum(b)
}

// join returns what a broker sends: batch after batch.
func join(batches ...[]byte) []byte { return bytes.Join(batches, nil) }

// delivery is a partition that is handed sets, and what came of it.
type delivery struct {
	*partition
	fetcher *fetcher
	got     []string
}

// newDelivery returns one that is to read from offset, of a broker that has end records.
func newDelivery(offset, end int64) *delivery {
	d := &delivery{partition: newPartition("a", 0, nil)}
	d.place = known
	t := newTail(nil, slog.New(slog.DiscardHandler))
	t.ctx = context.Background()
	t.handle = func(rec *wire.Record, _ *partition) {
		d.got = append(d.got, fmt.Sprintf("%d:%s", rec.Offset, rec.Value))
	}
	d.fetcher = newFetcher(t, share{broker: 1})
	d.offset.Store(offset)
	d.end.Store(end)
	return d
}

// TestDeliver: what comes of the batches of an answer.
func TestDeliver(t *testing.T) {
	abc := written(t, 10, 0, text("a", "b", "c")...)
	de := written(t, 13, 0, text("d", "e")...)
	wrong := bytes.Clone(abc)
	wrong[len(wrong)-1] ^= 1
	for _, test := range []struct {
		name    string
		offset  int64
		set     []byte
		want    string
		next    int64
		skipped uint64
		err     error
	}{
		{"from the first on", 10, join(abc, de), "10:a 11:b 12:c 13:d 14:e", 15, 0, nil},
		{"from the midst of a batch on", 12, join(abc, de), "12:c 13:d 14:e", 15, 0, nil},
		{"a batch from before", 13, join(abc, de), "13:d 14:e", 15, 0, nil},
		{"a hole, as compaction leaves", 5, join(abc, written(t, 50, 0, text("x")...)), "10:a 11:b 12:c 50:x", 51, 0, nil},
		{"the last batch is cut off", 10, join(abc, de[:len(de)-1]), "10:a 11:b 12:c", 13, 0, nil},
		{"the head of the last batch is cut off", 10, join(abc, de[:20]), "10:a 11:b 12:c", 13, 0, nil},
		{"the only batch is cut off", 10, abc[:40], "", 10, 0, wire.ErrCut},
		{"nothing new", 15, join(abc, de), "", 15, 0, wire.ErrCut},
		{"a control batch", 10, join(written(t, 10, protocol.Control, text("mark")...), de), "13:d 14:e", 15, 0, nil},
		{"a control batch alone", 10, written(t, 10, protocol.Control, text("mark")...), "", 11, 0, nil},
		{"transactional records", 10, join(written(t, 10, protocol.Transactional, text("a")...), de), "10:a 13:d 14:e", 15, 0, nil},
		{"an empty batch, as compaction leaves", 10, join(alter(alter(abc[:wire.BatchHead], 57, 0, 0, 0, 0), 8, 0, 0, 0, wire.BatchHead-batchPrefix), de), "13:d 14:e", 15, 0, nil},
		{"a batch whose last records are gone", 10, join(alter(abc, 23, 0, 0, 0, 9), written(t, 20, 0, text("x")...)), "10:a 11:b 12:c 20:x", 21, 0, nil},

		{"a wrong checksum is asked for again", 10, join(wrong, de), "", 10, 0, wire.ErrChecksum},
		{"an unknown compression", 10, join(alter(abc, 22, 7), de), "13:d 14:e", 15, 3, nil},
		{"compressed, it says", 10, join(alter(abc, 22, byte(compress.Gzip)), de), "13:d 14:e", 15, 3, nil},
		{"an old version", 10, join(setVersion(abc, 1), de), "13:d 14:e", 15, 1, nil},
		{"an old version from before", 12, join(setVersion(abc, 1), setVersion(de, 0)), "", 14, 1, nil},
		{"a future version", 10, join(setVersion(abc, 3), de), "13:d 14:e", 15, 1, nil},
		{"more records than there are", 10, join(alter(abc, 57, 0, 0, 0, 9), de), "10:a 11:b 12:c 13:d 14:e", 15, 1, nil},
		{"very many records", 10, join(alter(abc, 57, 0x7f, 255, 255, 255), de), "10:a 11:b 12:c 13:d 14:e", 15, 1, nil},
		{"less than no records", 10, join(alter(abc, 57, 255, 255, 255, 255), de), "13:d 14:e", 15, 3, nil},
		{"a record behind the end", 10, join(alter(abc, 23, 0, 0, 0, 1), de), "10:a 11:b 13:d 14:e", 15, 1, nil},
		{"an end before the beginning", 10, join(alter(abc, 23, 255, 255, 255, 255), de), "13:d 14:e", 15, 1, nil},
		{"an end before what was read", 12, alter(abc, 23, 255, 255, 255, 255), "", 13, 1, nil},
		{"an end far beyond the log", 10, join(alter(join(abc[:23], []byte{0x7f, 0xff, 0xff, 0xff}, abc[27:60], []byte{9}, abc[61:]), 0)), "10:a 11:b 12:c", 100, 87, nil},
		{"a length below that of a head", 10, alter(abc, 8, 0, 0, 0, 3), "", 11, 1, nil},
		{"a length below zero", 10, alter(abc, 8, 255, 0, 0, 3), "", 11, 1, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDelivery(test.offset, 100)
			if err := d.deliver(test.set, d.fetcher); !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if got := strings.Join(d.got, " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if d.offset.Load() != test.next || d.fetcher.tail.skipped.Load() != test.skipped {
				t.Errorf("next is %d with %d skipped, want %d and %d", d.offset.Load(), d.fetcher.tail.skipped.Load(), test.next, test.skipped)
			}
		})
	}
}

func setVersion(b []byte, version byte) []byte {
	b = bytes.Clone(b)
	b[16] = version
	return b
}

// TestWrongChecksum: a batch that comes damaged again and again is passed by, once.
func TestWrongChecksum(t *testing.T) {
	good := written(t, 10, 0, text("a", "b")...)
	bad := bytes.Clone(good)
	bad[len(bad)-2] ^= 1
	next := written(t, 12, 0, text("c")...)
	d := newDelivery(10, 13)
	for range checksumTries - 1 {
		if err := d.deliver(join(bad, next), d.fetcher); !errors.Is(err, wire.ErrChecksum) {
			t.Fatalf("error %v", err)
		}
	}
	if err := d.deliver(join(good, next), d.fetcher); err != nil || strings.Join(d.got, " ") != "10:a 11:b 12:c" {
		t.Errorf("got %v, %v after the damage was gone", d.got, err)
	}
	d = newDelivery(10, 13)
	for range checksumTries {
		_ = d.deliver(join(bad, next), d.fetcher) // see above
	}
	if strings.Join(d.got, " ") != "12:c" || d.fetcher.tail.skipped.Load() != 2 || d.offset.Load() != 13 {
		t.Errorf("got %v, %d skipped, next %d", d.got, d.fetcher.tail.skipped.Load(), d.offset.Load())
	}
}

// TestRecordsAllocs: a record costs no memory of its own.
func TestRecordsAllocs(t *testing.T) {
	var records []protocol.Record
	for range 1000 {
		records = append(records, protocol.Record{
			Key: protocol.NewBytes([]byte("key")), Value: protocol.NewBytes([]byte("value")),
			Headers: []protocol.Header{{Key: "node", Value: []byte("1/a")}, {Key: "seq", Value: []byte("17")}},
		})
	}
	set := written(t, 0, 0, records...)
	d := newDelivery(0, 1000)
	handed := 0
	d.fetcher.tail.handle = func(*wire.Record, *partition) { handed++ }
	n := testing.AllocsPerRun(10, func() {
		d.offset.Store(0)
		_ = d.deliver(set, d.fetcher)
	})
	if n > 10 || handed < 1000 {
		t.Errorf("%v allocations for 1000 records, %d handed on", n, handed)
	}
}

// FuzzDeliver holds that whatever a broker sends, reading goes on: never backwards, never beyond what
// the broker has, in order, and with some progress unless the batch is cut off.
func FuzzDeliver(f *testing.F) {
	f.Add(join(written(f, 10, 0, text("a", "b")...), written(f, 12, 1, text("c")...)), true)
	f.Add(written(f, 10, protocol.Control, text("mark")...), true)
	f.Add(setVersion(written(f, 10, 0, text("a")...), 1), false)
	f.Fuzz(func(t *testing.T, set []byte, right bool) {
		if right && len(set) > wire.BatchHead {
			set = resum(bytes.Clone(set))
		}
		d := newDelivery(10, 1000)
		last := int64(9)
		d.fetcher.tail.handle = func(rec *wire.Record, _ *partition) {
			if rec.Offset <= last {
				t.Fatalf("offset %d after %d", rec.Offset, last)
			}
			last = rec.Offset
		}
		for range checksumTries {
			at := d.offset.Load()
			err := d.deliver(set, d.fetcher)
			if d.place == unsure {
				d.place, d.epoch = known, d.later
				continue
			}
			if now := d.offset.Load(); now < at || err == nil && now == at && len(set) > 0 {
				t.Fatalf("from %d to %d, error %v", at, now, err)
			}
		}
	})
}

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
	must(t, err)
	return w
}

func write(t *testing.T, w io.WriteCloser, b []byte) {
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	must(t, w.Close())
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
				d.fetcher.tail.handle = func(rec *wire.Record, _ *partition) { lengths += fmt.Sprintf("%d:%d ", rec.Offset, len(rec.Value)) }
				cost := allocated(func() {
					must(t, d.deliver(set, d.fetcher))
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
	must(t, f.CreateTopic("a", 2, map[string]string{limitName: "40000000"}))
	w := newWriter(t, f.Addrs)
	r := start(t, func(t *tail) { t.mostAnswer = mostBytes + 1<<20 }, Config{Brokers: f.Addrs}, nil, "a")
	r.wait(r.ready, "to be ready")
	w.must("a", 0, "before")
	r.of("a", 0, 1)
	w.must("a", 0, strings.Repeat("x", mostBytes+2<<20))
	w.must("a", 0, "after")
	w.must("a", 1, "beside")
	r.want("a", 0, "before", "after")
	r.want("a", 1, "beside")
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
