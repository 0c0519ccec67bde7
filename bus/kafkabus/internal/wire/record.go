package wire

import (
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kbin"
)

// MaxHeaders bounds the headers of one record: each of them takes more memory than bytes of the
// record, and a batch unpacks to many millions of empty ones.
const MaxHeaders = 1000

// Record is a record as it was read. Its slices may alias the batch.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Time      int64  // when it was published, in Unix milliseconds, as the topic has it; below 0 for unknown
	Key       []byte // nil for none
	Value     []byte // nil for a tombstone
	Headers   []kafka.Header
	Crowded   bool // it has more headers than MaxHeaders, which were not read
}

// Scanner reads the records of a batch one after the other.
type Scanner struct {
	left  kbin.Reader
	batch *Batch
	read  int32
	bad   bool // a record can't be read
	names Names
}

// Scan returns a scanner of b's records, which are unpacked.
func (b *Batch) Scan(unpacked []byte, names Names) Scanner {
	return Scanner{left: kbin.Reader{Src: unpacked}, batch: b, names: names}
}

// Next reads the next record into rec, whose slices alias the batch and whose headers are used
// again. It returns false at the end, and when the rest of the batch can't be read.
func (s *Scanner) Next(rec *Record) bool {
	if s.bad || s.read >= s.batch.count {
		return false
	}
	r := kbin.Reader{Src: s.left.VarintBytes()}
	r.Int8() // attributes, of which there are none
	rec.Time = s.batch.time(r.Varlong())
	delta := r.Varlong()
	rec.Offset = s.batch.First + delta
	rec.Key = r.VarintBytes()
	rec.Value = r.VarintBytes()
	rec.Headers = rec.Headers[:0]
	n := r.Varint()
	rec.Crowded = n > MaxHeaders
	for ; n > 0 && r.Ok() && !rec.Crowded; n-- {
		name := r.Span(int(r.Varint()))
		rec.Headers = append(rec.Headers, kafka.Header{Key: s.names.text(name), Value: r.VarintBytes()})
	}
	if !r.Ok() || delta < 0 || rec.Offset > s.batch.Last {
		s.bad = true
		return false
	}
	s.read++
	return true
}

// Err returns why Next has stopped before the last record, nil if it has not.
func (s *Scanner) Err() error {
	if s.bad || s.read < s.batch.count || s.batch.count < 0 {
		return fmt.Errorf("record %d of %d in the batch can't be read", s.read, s.batch.count)
	}
	return nil
}

// Names keeps the names of headers, which come again and again, so that a record costs no strings.
type Names map[string]string

const (
	maxNames = 256
	maxName  = 64 // bytes of one that is kept
)

func (n Names) text(b []byte) string {
	if s, ok := n[string(b)]; ok { // the compiler makes no string of b here
		return s
	}
	s := string(b)
	if len(n) < maxNames && len(b) <= maxName {
		n[s] = s
	}
	return s
}
