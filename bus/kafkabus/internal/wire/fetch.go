package wire

import (
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kbin"
)

const (
	answerHead = 64 << 10 // bytes that are read of an answer that is too large, to tell which batch that is
	keptBuffer = 4 << 20  // bytes of a buffer that is kept for the next answer

	// minFetch is the version of the fetch protocol of Kafka 0.11, the first with record batches.
	minFetch = 4
)

// Fetch asks for records, in versions 4 to 11 of the protocol. It may be used again after an answer.
type Fetch struct {
	Request    *fetch.Request
	Code       kafka.Error // about the whole request
	Partitions []Fetched

	most    int32 // bytes of an answer, and of them
	room    int32 // that a batch may have beyond what was asked for
	id      int32 // that the answer has to bear
	version int16 // of the protocol
	buf     []byte
}

// NewFetch returns a Fetch whose answers have most bytes at most, of which asked are asked for at most.
func NewFetch(most, asked int32) *Fetch { return &Fetch{most: most, room: most - asked} }

// Fetched is the answer about one partition. Its slices alias memory of the Fetch.
type Fetched struct {
	Topic   []byte
	Number  int32
	Code    kafka.Error
	End     int64  // the high watermark
	Batches []byte // the last one may be cut off
}

// TooLarge reports an answer that was not read because of a batch that is too large, and which one.
type TooLarge struct {
	Partition Fetched
	Batch     Batch
	size      int32
}

func (e *TooLarge) Error() string {
	return fmt.Sprintf("a batch makes the answer larger (%d bytes) than can be read", e.size)
}

// ApiKey implements protocol.Message.
func (f *Fetch) ApiKey() protocol.ApiKey { return protocol.Fetch }

func (f *Fetch) exchange(c *Conn, id int32) error {
	f.id, f.version = id, c.versions[protocol.Fetch]
	if f.version < minFetch {
		return fmt.Errorf("the broker is older than Kafka 0.11: its fetch protocol ends at version %d", f.version)
	}
	if err := protocol.WriteRequest(c, f.version, id, client, f.Request); err != nil {
		return err
	}
	return f.read(c)
}

func (f *Fetch) read(r io.Reader) error {
	size, err := readSize(r)
	if err != nil {
		return err
	}
	if size > f.most {
		return f.readHead(r, size)
	}
	if f.buf, err = readSized(r, f.buf, size, f.most); err != nil {
		return err
	}
	return f.parse()
}

// readHead reads the beginning of an answer that is too large, and returns why.
func (f *Fetch) readHead(r io.Reader, size int32) error {
	head := Fetch{buf: make([]byte, answerHead), id: f.id, version: f.version}
	if _, err := io.ReadFull(r, head.buf); err != nil {
		return err
	}
	_ = head.parse() // it ends too early; the batch is in the last partition that it came to
	if n := len(head.Partitions); n > 0 {
		last := head.Partitions[n-1]
		b, _, _ := Cut(last.Batches) // it is cut off
		if len(last.Batches) >= BatchHead && b.version == 2 && b.Last >= b.First && b.length > f.room {
			return &TooLarge{last, b, size}
		}
	}
	return fmt.Errorf("an answer of %d bytes, want at most %d", size, f.most)
}

func (f *Fetch) parse() error {
	f.Code, f.Partitions = 0, f.Partitions[:0]
	r, err := behindID(f.buf, f.id)
	if err != nil {
		return err
	}
	r.Int32() // throttled: the broker has done that by itself
	if f.version >= 7 {
		f.Code = kafka.Error(r.Int16())
		r.Int32() // session
	}
	for topics := r.Int32(); topics > 0 && r.Ok(); topics-- {
		topic := r.Span(int(r.Int16()))
		for partitions := r.Int32(); partitions > 0 && r.Ok(); partitions-- {
			p := Fetched{Topic: topic}
			p.parse(&r, f.version)
			f.Partitions = append(f.Partitions, p)
		}
	}
	if !r.Ok() {
		return fmt.Errorf("an answer of %d bytes ends too early", len(f.buf))
	}
	return nil
}

func (p *Fetched) parse(r *kbin.Reader, version int16) {
	p.Number = r.Int32()
	p.Code = kafka.Error(r.Int16())
	p.End = r.Int64()
	r.Int64() // last stable offset
	if version >= 5 {
		r.Int64() // first offset, not to be trusted beside an error
	}
	if aborted := r.Int32(); aborted > 0 { // transactions, for those who ask for committed ones alone
		r.Span(16 * int(aborted))
	}
	if version >= 11 {
		r.Int32() // preferred replica
	}
	n := int(max(0, r.Int32()))
	left := r.Src
	if p.Batches = r.Span(n); !r.Ok() {
		p.Batches = left // it ends too early: what there is tells readHead why
	}
}

// Release gives up what is too large to keep.
func (f *Fetch) Release() {
	if cap(f.buf) > keptBuffer {
		f.buf = nil
	}
	clear(f.Partitions)
}
