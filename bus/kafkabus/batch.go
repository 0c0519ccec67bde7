package kafkabus

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/segmentio/kafka-go"
)

const (
	batchHead   = 61 // bytes of a batch before its records
	batchPrefix = 12 // bytes of those that its own length does not count

	compressionBits = 7
	controlBit      = 1 << 5
)

// errCut reports bytes that end inside a batch, as the last of an answer does.
var errCut = errors.New("the batch is cut off")

// errChecksum reports a batch whose bytes are not those that were written.
var errChecksum = errors.New("the batch's checksum is wrong")

// batch is what brokers store and send: the records of one produce request. See "Record Batch" in
// Kafka's documentation of its message format, version 2.
type batch struct {
	length      int32 // bytes of it, but for the first batchPrefix
	first, last int64 // offsets; those of the records lie between, not always all of them
	epoch       int32 // of the leader that appended it; it never shrinks along a log
	version     int8
	checksum    uint32
	attributes  int16
	count       int32
	summed      []byte // what the checksum is of
	records     []byte // perhaps compressed
}

// cutBatch cuts the first batch off set. With any error but errCut the batch's offsets are set, and
// rest is what follows it, as far as that is known.
func cutBatch(set []byte) (b batch, rest []byte, err error) {
	w := wire{b: set}
	b.first = w.int64()
	length := w.int32()
	b.length = length
	epoch := w.int32()
	b.version = w.int8()
	if w.bad {
		return b, nil, errCut
	}
	b.last, b.epoch = b.first, -1
	if length < batchHead-batchPrefix && b.version >= 2 || length < 0 {
		return b, nil, fmt.Errorf("the batch has a length of %d", length)
	}
	if int64(length) > int64(len(set)-batchPrefix) {
		return b, nil, errCut
	}
	whole, rest := set[:batchPrefix+length], set[batchPrefix+length:]
	if b.version != 2 {
		return b, rest, nil // check refuses it
	}
	b.epoch = epoch
	b.head(whole)
	if b.last < b.first {
		b.last = b.first
		return b, rest, errors.New("the batch's last offset lies before its first")
	}
	return b, rest, nil
}

// batchHeadOf returns the head of the first batch of set, which may be cut off behind it.
func batchHeadOf(set []byte) (b batch, ok bool) {
	if len(set) < batchHead {
		return b, false
	}
	b, _, _ = cutBatch(set) // it is cut off
	if b.version != 2 {
		return b, false
	}
	b.head(set[:batchHead])
	return b, b.last >= b.first
}

// head reads what comes after the version.
func (b *batch) head(whole []byte) {
	w := wire{b: whole[17:]}
	b.checksum = uint32(w.int32())
	b.summed = w.b
	b.attributes = w.int16()
	b.last = b.first + int64(w.int32())
	w.bytes(8 + 8 + 8 + 2 + 4) // two times, and the producer's id, epoch and sequence
	b.count = w.int32()
	b.records = w.b
}

// isControl reports whether the batch is the broker's own, such as the mark of a transaction's end.
func (b *batch) isControl() bool { return b.attributes&controlBit != 0 }

// isPacked reports whether the records are compressed.
func (b *batch) isPacked() bool { return b.attributes&compressionBits != 0 }

// check returns errChecksum if the batch was changed, or that it is of a version that can't be read.
func (b *batch) check() error {
	if b.version != 2 {
		return fmt.Errorf("the batch has version %d, want 2, of Kafka 0.11 or later", b.version)
	}
	if crc32.Checksum(b.summed, crc32.MakeTable(crc32.Castagnoli)) != b.checksum {
		return errChecksum
	}
	return nil
}

// scanner reads the records of a batch one after the other.
type scanner struct {
	wire
	batch *batch
	read  int32
	names names
}

// next reads the next record into rec, whose slices alias the batch and whose headers are used
// again. It returns false at the end, and when the rest of the batch can't be read.
func (s *scanner) next(rec *record) bool {
	if s.read >= s.batch.count {
		return false
	}
	r := wire{b: s.varbytes(), bad: s.bad}
	r.int8()   // attributes, of which there are none
	r.varint() // time
	delta := r.varint()
	rec.offset = s.batch.first + delta
	rec.key = r.varbytes()
	rec.value = r.varbytes()
	rec.headers = rec.headers[:0]
	n := r.varint()
	rec.crowded = n > maxHeaders
	for ; n > 0 && !r.bad && !rec.crowded; n-- {
		name := r.bytes(r.varint())
		rec.headers = append(rec.headers, kafka.Header{Key: s.names.text(name), Value: r.varbytes()})
	}
	if r.bad || delta < 0 || rec.offset > s.batch.last {
		s.bad = true
		return false
	}
	s.read++
	return true
}

// err returns why next has stopped before the last record, nil if it has not.
func (s *scanner) err() error {
	if s.bad || s.read < s.batch.count || s.batch.count < 0 {
		return fmt.Errorf("record %d of %d in the batch can't be read", s.read, s.batch.count)
	}
	return nil
}

// names keeps the names of headers, which come again and again, so that a record costs no strings.
type names map[string]string

// maxHeaders bounds the headers of one record: each of them takes more memory than bytes of the
// record, and a batch unpacks to many millions of empty ones.
const maxHeaders = 1000

const (
	maxNames = 256
	maxName  = 64 // bytes of one that is kept
)

func (n names) text(b []byte) string {
	if s, ok := n[string(b)]; ok { // the compiler makes no string of b here
		return s
	}
	s := string(b)
	if len(n) < maxNames && len(b) <= maxName {
		n[s] = s
	}
	return s
}
