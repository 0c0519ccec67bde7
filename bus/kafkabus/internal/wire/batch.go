package wire

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kbin"
)

const (
	BatchHead   = 61 // bytes of a batch before its records
	batchPrefix = 12 // bytes of those that its own length does not count

	compressionBits = 7
	appendTimeBit   = 1 << 3
	controlBit      = 1 << 5
)

// ErrCut reports bytes that end inside a batch, as the last of an answer does.
var ErrCut = errors.New("the batch is cut off")

// ErrChecksum reports a batch whose bytes are not those that were written.
var ErrChecksum = errors.New("the batch's checksum is wrong")

// Batch is what brokers store and send: the records of one produce request. See "Record Batch" in
// Kafka's documentation of its message format, version 2.
type Batch struct {
	First, Last int64 // offsets; those of the records lie between, not always all of them
	Epoch       int32 // of the leader that appended it; it never shrinks along a log

	length     int32 // bytes of it, but for the first batchPrefix
	version    int8
	checksum   uint32
	attributes int16
	firstTime  int64 // in Unix milliseconds; -1 for unknown
	lastTime   int64 // of the latest record, or when the leader appended it
	count      int32
	summed     []byte // what the checksum is of
	records    []byte // perhaps compressed
}

// Cut cuts the first batch off set. With any error the batch's offsets are set, with ErrCut if its head is
// there, and rest is what follows it, as far as that is known.
func Cut(set []byte) (b Batch, rest []byte, err error) {
	r := kbin.Reader{Src: set}
	b.First = r.Int64()
	b.length = r.Int32()
	epoch := r.Int32()
	b.version = r.Int8()
	b.Last, b.Epoch = b.First, -1
	switch {
	case !r.Ok():
		return b, nil, ErrCut
	case b.length < BatchHead-batchPrefix && b.version >= 2 || b.length < 0:
		return b, nil, fmt.Errorf("the batch has a length of %d", b.length)
	}
	whole := set[:min(int64(len(set)), batchPrefix+int64(b.length))]
	rest = set[len(whole):]
	if b.version == 2 && len(whole) >= BatchHead { // else Check refuses it
		b.Epoch = epoch
		b.head(whole)
	}
	switch {
	case len(whole) < batchPrefix+int(b.length):
		return b, nil, ErrCut
	case b.Last < b.First:
		b.Last = b.First
		return b, rest, errors.New("the batch's last offset lies before its first")
	}
	return b, rest, nil
}

// head reads what comes after the version.
func (b *Batch) head(whole []byte) {
	r := kbin.Reader{Src: whole[17:]}
	b.checksum = r.Uint32()
	b.summed = r.Src
	b.attributes = r.Int16()
	b.Last = b.First + int64(r.Int32())
	b.firstTime, b.lastTime = r.Int64(), r.Int64()
	r.Span(8 + 2 + 4) // the producer's id, epoch and sequence
	b.count = r.Int32()
	b.records = r.Src
}

// Count returns how many records the batch says it has.
func (b *Batch) Count() int64 { return int64(max(0, b.count)) }

// time returns when a record was published that says delta of it.
func (b *Batch) time(delta int64) int64 {
	switch {
	case b.attributes&appendTimeBit != 0:
		return b.lastTime
	case b.firstTime < 0:
		return -1
	}
	return b.firstTime + delta
}

// IsControl reports whether the batch is the broker's own, such as the mark of a transaction's end.
func (b *Batch) IsControl() bool { return b.attributes&controlBit != 0 }

// IsPacked reports whether the records are compressed.
func (b *Batch) IsPacked() bool { return b.attributes&compressionBits != 0 }

// Records returns the records as they are in the batch.
func (b *Batch) Records() []byte { return b.records }

// Check returns ErrChecksum if the batch was changed, or that it is of a version that can't be read.
func (b *Batch) Check() error {
	if b.version != 2 {
		return fmt.Errorf("the batch has version %d, want 2, of Kafka 0.11 or later", b.version)
	}
	if crc32.Checksum(b.summed, crc32.MakeTable(crc32.Castagnoli)) != b.checksum {
		return ErrChecksum
	}
	return nil
}
