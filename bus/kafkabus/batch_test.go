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
	"reflect"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

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
	t.handle = func(rec *record, _ *repeats) { d.got = append(d.got, fmt.Sprintf("%d:%s", rec.offset, rec.value)) }
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
		{"the only batch is cut off", 10, abc[:40], "", 10, 0, errCut},
		{"nothing new", 15, join(abc, de), "", 15, 0, errCut},
		{"a control batch", 10, join(written(t, 10, protocol.Control, text("mark")...), de), "13:d 14:e", 15, 0, nil},
		{"a control batch alone", 10, written(t, 10, protocol.Control, text("mark")...), "", 11, 0, nil},
		{"transactional records", 10, join(written(t, 10, protocol.Transactional, text("a")...), de), "10:a 13:d 14:e", 15, 0, nil},
		{"an empty batch, as compaction leaves", 10, join(alter(alter(abc[:batchHead], 57, 0, 0, 0, 0), 8, 0, 0, 0, batchHead-batchPrefix), de), "13:d 14:e", 15, 0, nil},
		{"a batch whose last records are gone", 10, join(alter(abc, 23, 0, 0, 0, 9), written(t, 20, 0, text("x")...)), "10:a 11:b 12:c 20:x", 21, 0, nil},

		{"a wrong checksum is asked for again", 10, join(wrong, de), "", 10, 0, errChecksum},
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
		if err := d.deliver(join(bad, next), d.fetcher); !errors.Is(err, errChecksum) {
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
	d.fetcher.tail.handle = func(*record, *repeats) { handed++ }
	n := testing.AllocsPerRun(10, func() {
		d.offset.Store(0)
		_ = d.deliver(set, d.fetcher)
	})
	if n > 10 || handed < 1000 {
		t.Errorf("%v allocations for 1000 records, %d handed on", n, handed)
	}
}

// FuzzRecords holds that records come back as kafka-go wrote them, whatever is in them.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), "name", []byte("header"), byte(0), int64(7))
	f.Add([]byte(nil), []byte{}, "", []byte(nil), byte(4), int64(0))
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte, packed byte, offset int64) {
		offset = max(0, offset&(1<<60-1))
		var records []protocol.Record
		for i := range 3 {
			r := protocol.Record{Headers: []protocol.Header{{Key: name, Value: header}, {Key: name + "2"}}[:i%3]}
			if key != nil {
				r.Key = protocol.NewBytes(key)
			}
			if value != nil && i != 1 {
				r.Value = protocol.NewBytes(value)
			}
			records = append(records, r)
		}
		b, rest, err := cutBatch(written(t, offset, protocol.Attributes(packed%5), records...))
		if err != nil || len(rest) > 0 || b.check() != nil || b.first != offset || b.last != offset+2 {
			t.Fatalf("batch %v, error %v", b, err)
		}
		unpacked, err := newDelivery(0, 0).fetcher.unpack(&b)
		if err != nil {
			t.Fatal(err)
		}
		s := scanner{wire: wire{b: unpacked}, batch: &b, names: make(names)}
		var rec record
		for i := range 3 {
			if !s.next(&rec) {
				t.Fatal(s.err())
			}
			want := records[i]
			if rec.offset != offset+int64(i) || !bytes.Equal(rec.key, key) || (rec.key == nil) != (key == nil) ||
				(rec.value == nil) != (want.Value == nil) || rec.value != nil && !bytes.Equal(rec.value, value) {
				t.Errorf("got %+v", rec)
			}
			if len(rec.headers) != len(want.Headers) || len(want.Headers) > 0 && !sameHeader(rec.headers[0], want.Headers[0]) {
				t.Errorf("headers %v, want %v", rec.headers, want.Headers)
			}
		}
		if s.next(&rec) || s.err() != nil {
			t.Errorf("more than three records, or %v", s.err())
		}
	})
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
		if right && len(set) > batchHead {
			set = resum(bytes.Clone(set))
		}
		d := newDelivery(10, 1000)
		last := int64(9)
		d.fetcher.tail.handle = func(rec *record, _ *repeats) {
			if rec.offset <= last {
				t.Fatalf("offset %d after %d", rec.offset, last)
			}
			last = rec.offset
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

// FuzzFetched holds that an answer is either understood within its bytes or refused.
func FuzzFetched(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 0, 0, 0, 1}, int16(11))
	f.Fuzz(func(t *testing.T, body []byte, version int16) {
		answer := newFetched(maxAnswer)
		wire := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		err := answer.read(io.MultiReader(bytes.NewReader(wire), bytes.NewReader(body)), fetchExchange(version%12))
		size := 0
		for _, p := range answer.partitions {
			size += len(p.batches)
		}
		if err == nil && size > len(body) {
			t.Errorf("%d bytes of batches in %d", size, len(body))
		}
	})
}

// FuzzLook holds that answers about topics and epochs are either understood or refused.
func FuzzLook(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 2, 'a', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 1, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, body []byte) {
		ids := topicIDs{found: make(map[string]identity)}
		_ = ids.parse(body, &exchange{id: 1}) // any error will do
		ends := epochEnds{ends: make(map[partitionName]listed)}
		_ = ends.parse(body, &exchange{id: 1})
		if len(ids.found) > len(body) || len(ends.ends) > len(body) {
			t.Errorf("%d topics, %d ends in %d bytes", len(ids.found), len(ends.ends), len(body))
		}
	})
}

func fetchExchange(version int16) *exchange {
	return &exchange{id: 1, request: new(fetch.Request), versions: map[protocol.ApiKey]int16{protocol.Fetch: version}}
}

// TestFetchedRefuses: what is no answer is refused before memory is taken for it.
func TestFetchedRefuses(t *testing.T) {
	for name, bytesRead := range map[string]string{
		"another protocol": "HTTP/1.1 400 Bad Request\r\n\r\n",
		"below zero":       "\xff\xff\xff\xff",
		"another id":       "\x00\x00\x00\x0e\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"cut off":          "\x00\x00\x00\x0e\x00\x00\x00\x01\x00",
		"too many topics":  "\x00\x00\x00\x12\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff",
	} {
		answer := newFetched(maxAnswer)
		if err := answer.read(strings.NewReader(bytesRead), fetchExchange(11)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if cap(answer.buf) > 1000 {
			t.Errorf("%s: %d bytes taken", name, cap(answer.buf))
		}
	}
	if err := newFetched(maxAnswer).read(strings.NewReader(""), fetchExchange(3)); err == nil || !strings.Contains(err.Error(), "0.11") {
		t.Errorf("an old broker: %v", err)
	}
}

// TestNames: a name is the same string each time, and foreign names don't fill the memory.
func TestNames(t *testing.T) {
	n := make(names)
	for i := range 10 * maxNames {
		want := strings.Repeat("x", i)
		if got := n.text([]byte(want)); got != want {
			t.Fatalf("got %q", got)
		}
	}
	if len(n) > maxNames || !reflect.DeepEqual(n[""], "") {
		t.Errorf("%d names", len(n))
	}
}
