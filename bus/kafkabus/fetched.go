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
	// whole however large it is. Of a larger one so much is read that it tells which batch that is.
	maxAnswer  = 256 << 20
	answerHead = 64 << 10

	// keptBuffer is how large a buffer may be and still be kept for the next answer.
	keptBuffer = 4 << 20

	// minFetch is the version of the fetch protocol of Kafka 0.11, the first with record batches.
	minFetch = 4
)

// fetched is the answer to a fetch, versions 4 to 11.
type fetched struct {
	most       int32 // bytes of it, set by newFetched
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

func newFetched(most int32) *fetched { return &fetched{most: most} }

// tooLarge reports an answer that was not read because of a batch that is too large, and which one.
type tooLarge struct {
	size      int32
	partition fetchedPartition
	batch     batch
}

func (e *tooLarge) Error() string {
	return fmt.Sprintf("a batch makes the answer larger (%d bytes) than can be read", e.size)
}

// ApiKey implements protocol.Message.
func (f *fetched) ApiKey() protocol.ApiKey { return protocol.Fetch }

func (f *fetched) read(r io.Reader, x *exchange) error {
	if v := x.version(); v < minFetch {
		return fmt.Errorf("the broker is older than Kafka 0.11: its fetch protocol ends at version %d", v)
	}
	size, err := readSize(r)
	if err != nil {
		return err
	}
	if size > f.most {
		return f.readHead(r, x, size)
	}
	if f.buf, err = readSized(r, f.buf, size, f.most); err != nil {
		return err
	}
	return f.parse(x)
}

// readHead reads the beginning of an answer that is too large, and returns why.
func (f *fetched) readHead(r io.Reader, x *exchange, size int32) error {
	head := fetched{buf: make([]byte, answerHead)}
	if _, err := io.ReadFull(r, head.buf); err != nil {
		return err
	}
	_ = head.parse(x) // it ends too early; the batch is in the last partition that it came to
	if n := len(head.partitions); n > 0 {
		last := head.partitions[n-1]
		if b, ok := batchHeadOf(last.batches); ok && b.length > f.most-mostBytes {
			return &tooLarge{size, last, b}
		}
	}
	return fmt.Errorf("an answer of %d bytes, want at most %d", size, f.most)
}

// readAnswer reads an answer behind its size.
func readAnswer(r io.Reader) ([]byte, error) {
	size, err := readSize(r)
	if err != nil {
		return nil, err
	}
	return readSized(r, nil, size, maxAnswer)
}

func readSize(r io.Reader) (int32, error) {
	var size [4]byte
	_, err := io.ReadFull(r, size[:])
	return int32(binary.BigEndian.Uint32(size[:])), err
}

// readSized reads n bytes, into buf if that is large enough.
func readSized(r io.Reader, buf []byte, n, most int32) ([]byte, error) {
	if n < 0 || n > most {
		return nil, fmt.Errorf("an answer of %d bytes, want at most %d", n, most)
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
	n := int64(max(0, w.int32()))
	if n > int64(len(w.b)) { // it ends too early: what there is tells readHead why
		p.batches, w.bad = w.b, true
		return
	}
	p.batches = w.bytes(n)
}

// release gives up what is too large to keep.
func (f *fetched) release() {
	if cap(f.buf) > keptBuffer {
		f.buf = nil
	}
	clear(f.partitions)
}
