package kafkabus

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

const (
	// maxAnswer bounds an answer: what a fetch asks for and one batch more, which a broker sends
	// whole however large it is.
	maxAnswer = 256 << 20

	// keptBuffer is how large a buffer may be and still be kept for the next answer.
	keptBuffer = 4 << 20

	// minFetch is the version of the fetch protocol of Kafka 0.11, the first with record batches.
	minFetch = 4
)

// fetched is the answer to a fetch, versions 4 to 11.
type fetched struct {
	buf        []byte
	code       kafka.Error // about the whole request
	partitions []fetchedPartition
}

// fetchedPartition is what a fetched has of one partition. Its slices alias the buffer.
type fetchedPartition struct {
	topic   []byte
	number  int32
	code    kafka.Error
	end     int64  // the high watermark
	batches []byte // the last one may be cut off
}

// ApiKey implements protocol.Message.
func (f *fetched) ApiKey() protocol.ApiKey { return protocol.Fetch }

func (f *fetched) read(r io.Reader, x *exchange) error {
	if v := x.version(); v < minFetch {
		return fmt.Errorf("the broker is older than Kafka 0.11: its fetch protocol ends at version %d", v)
	}
	var err error
	if f.buf, err = readAnswer(r, f.buf); err != nil {
		return err
	}
	return f.parse(x)
}

// readAnswer reads an answer behind its size, into buf if that is large enough.
func readAnswer(r io.Reader, buf []byte) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(size[:]))
	if n < 0 || n > maxAnswer {
		return nil, fmt.Errorf("an answer of %d bytes, want at most %d", n, maxAnswer)
	}
	if int(n) > cap(buf) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err := io.ReadFull(r, buf)
	return buf, err
}

func errShort(answer []byte) error {
	return fmt.Errorf("an answer of %d bytes ends too early", len(answer))
}

func (f *fetched) parse(x *exchange) error {
	w := wire{b: f.buf}
	if err := x.checkID(w.int32()); err != nil {
		return err
	}
	f.code, f.partitions = 0, f.partitions[:0]
	w.int32() // throttled: the broker has done that by itself
	if x.version() >= 7 {
		f.code = kafka.Error(w.int16())
		w.int32() // session
	}
	for topics := w.int32(); topics > 0 && !w.bad; topics-- {
		topic := w.bytes(int64(w.int16()))
		for partitions := w.int32(); partitions > 0 && !w.bad; partitions-- {
			f.partitions = append(f.partitions, fetchedPartition{topic: topic})
			f.partitions[len(f.partitions)-1].parse(&w, x.version())
		}
	}
	if w.bad {
		return errShort(f.buf)
	}
	return nil
}

func (p *fetchedPartition) parse(w *wire, version int16) {
	p.number = w.int32()
	p.code = kafka.Error(w.int16())
	p.end = w.int64()
	w.int64() // last stable offset
	if version >= 5 {
		w.int64() // first offset, not to be trusted beside an error
	}
	if aborted := w.int32(); aborted > 0 { // transactions, for those who ask for committed ones alone
		w.bytes(16 * int64(aborted))
	}
	if version >= 11 {
		w.int32() // preferred replica
	}
	if n := w.int32(); n > 0 {
		p.batches = w.bytes(int64(n))
	}
}

// release gives up what is too large to keep.
func (f *fetched) release() {
	if cap(f.buf) > keptBuffer {
		f.buf = nil
	}
	clear(f.partitions)
}
