package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzRecords holds that records come back as kafka-go wrote them, whatever is in them.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("key"), []byte("value"), "name", []byte("header"), byte(0), int64(7))
	f.Add([]byte(nil), []byte{}, "", []byte(nil), byte(4), int64(0))
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte, packed byte, offset int64) {
		start := time.Now()
		offset = max(0, offset&(1<<60-1))
		var want []Record
		var records []protocol.Record
		for i := range 3 {
			at := start.Add(time.Duration(i*i) * time.Hour)
			r := Record{Offset: offset + int64(i), Time: at.UnixMilli(), Key: key, Value: value}
			if i == 1 {
				r.Value = nil
			}
			r.Headers = []kafka.Header{{Key: name, Value: header}, {Key: name + "2"}}[:i%3]
			want = append(want, r)
			records = append(records, protocol.Record{Time: at, Key: bytesOf(r.Key), Value: bytesOf(r.Value), Headers: r.Headers})
		}
		var written bytes.Buffer
		set := protocol.RecordSet{Version: 2, Attributes: protocol.Attributes(packed % 5), Records: protocol.NewRecordReader(records...)}
		if _, err := set.WriteTo(&written); err != nil {
			t.Fatal(err)
		}
		batch := written.Bytes()[4:] // behind the size of the set
		binary.BigEndian.PutUint64(batch, uint64(offset))
		b, rest, err := Cut(batch)
		if err != nil || len(rest) > 0 || b.Check() != nil || b.First != offset || b.Last != offset+2 {
			t.Fatalf("batch %v, error %v", b, err)
		}
		unpacked := b.Records()
		if b.IsPacked() {
			if unpacked, err = NewUnpacker(8<<20).Unpack(&b, nil); err != nil {
				t.Fatal(err)
			}
		}
		s := b.Scan(unpacked, make(Names))
		for i := range want {
			var got Record
			if !s.Next(&got) {
				t.Fatal(s.Err())
			}
			if len(got.Headers) == 0 {
				got.Headers = want[i].Headers
			}
			if !reflect.DeepEqual(got, want[i]) {
				t.Errorf("got %+v, want %+v", got, want[i])
			}
		}
		if s.Next(new(Record)) || s.Err() != nil {
			t.Errorf("more than three records, or %v", s.Err())
		}
	})
}

// bytesOf returns b for kafka-go, which writes null for nil.
func bytesOf(b []byte) protocol.Bytes {
	if b == nil {
		return nil
	}
	return protocol.NewBytes(b)
}

// FuzzFetch holds that an answer is either understood within its bytes or refused.
func FuzzFetch(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 0, 0, 0, 1}, int16(11))
	f.Fuzz(func(t *testing.T, body []byte, version int16) {
		answer, large := inVersion(version%12, MostAnswer), inVersion(version%12, 0)
		size := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		err := answer.read(io.MultiReader(bytes.NewReader(size), bytes.NewReader(body)))
		held := 0
		for _, p := range answer.Partitions {
			held += len(p.Batches)
		}
		if err == nil && held > len(body) {
			t.Errorf("%d bytes of batches in %d", held, len(body))
		}
		// Of an answer that is too large the head alone is read.
		if large.read(bytes.NewReader(append([]byte{0, 2, 0, 0}, append(body, make([]byte, answerHead)...)...))) == nil {
			t.Error("an answer that is too large is taken")
		}
	})
}

// inVersion is request 1, in a version of the protocol.
func inVersion(version int16, most int32) *Fetch {
	f := NewFetch(most, 0)
	f.id, f.version = 1, version
	return f
}

// FuzzInquiry holds that the other answers are either understood or refused.
func FuzzInquiry(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 2, 'a', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 1, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, request := range []kmsg.Request{&kmsg.MetadataRequest{Version: 11}, &kmsg.OffsetForLeaderEpochRequest{Version: 3}} {
			q := Inquiry{Request: request}
			if err := q.parse(body, 1); (err == nil) != (q.Answer != nil) {
				t.Errorf("answer %v, error %v", q.Answer, err)
			}
		}
	})
}

// TestFetchRefuses: what is no answer is refused before memory is taken for it.
func TestFetchRefuses(t *testing.T) {
	for name, bytesRead := range map[string]string{
		"another protocol": "HTTP/1.1 400 Bad Request\r\n\r\n",
		"below zero":       "\xff\xff\xff\xff",
		"another id":       "\x00\x00\x00\x0e\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"cut off":          "\x00\x00\x00\x0e\x00\x00\x00\x01\x00",
		"too many topics":  "\x00\x00\x00\x12\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff",
	} {
		answer := inVersion(11, MostAnswer)
		if err := answer.read(strings.NewReader(bytesRead)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if cap(answer.buf) > 1000 {
			t.Errorf("%s: %d bytes taken", name, cap(answer.buf))
		}
	}
	old := &Conn{versions: map[protocol.ApiKey]int16{protocol.Fetch: 3}}
	if _, err := old.Ask(new(Fetch)); err == nil || !strings.Contains(err.Error(), "0.11") {
		t.Errorf("an old broker: %v", err)
	}
}

// TestNames: a name is the same string each time, and foreign names don't fill the memory.
func TestNames(t *testing.T) {
	n := make(Names)
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

// TestTime: a record's time is its own, that of the append where the topic says so, or unknown.
func TestTime(t *testing.T) {
	for _, test := range []struct {
		name       string
		attributes int16
		first      int64
		want       int64
	}{
		{"its own", 0, 1000, 1007},
		{"of the append", appendTimeBit, 1000, 5000},
		{"unknown", 0, -1, -1},
	} {
		b := Batch{attributes: test.attributes, firstTime: test.first, lastTime: 5000}
		if got := b.time(7); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// TestForeign: what answers there and is no broker is told, and takes neither memory nor time, whatever it says of how much comes.
func TestForeign(t *testing.T) {
	for _, test := range []struct{ name, answer, want string }{
		{"a web server", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "speaks HTTP"},
		{"a broker that expects TLS", "\x15\x03\x01\x00\x02\x02\x16", "expects TLS"},
		{"NATS", "INFO {\"server_id\":\"N\"}\r\n", "bytes, want at most"},
		{"more versions than the answer is long", "\x00\x00\x00\x0c\x00\x00\x00\x01\x00\x00\x7f\xff\xff\xff\x00\x00", "enough data"},
	} {
		t.Run(test.name, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			go func() {
				defer far.Close()
				size, _ := readSize(far)
				io.CopyN(io.Discard, far, int64(size))
				io.WriteString(far, test.answer)
			}()
			if _, err := NewConn(t.Context(), near, nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want a word of %q", err, test.want)
			}
		})
	}
}
