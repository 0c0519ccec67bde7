package kafkabus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"

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
	t.handle = func(rec *wire.Record, _ *repeats) { d.got = append(d.got, fmt.Sprintf("%d:%s", rec.Offset, rec.Value)) }
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
	d.fetcher.tail.handle = func(*wire.Record, *repeats) { handed++ }
	n := testing.AllocsPerRun(10, func() {
		d.offset.Store(0)
		_ = d.deliver(set, d.fetcher)
	})
	if n > 10 || handed < 1000 {
		t.Errorf("%v allocations for 1000 records, %d handed on", n, handed)
	}
}

func sameHeader(a, b kafka.Header) bool {
	return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
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
		d.fetcher.tail.handle = func(rec *wire.Record, _ *repeats) {
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
