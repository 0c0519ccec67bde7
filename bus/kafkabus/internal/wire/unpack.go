package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

const leastUnpacked = 64 << 10 // bytes of memory to begin with

// ErrUnpacked reports a batch that becomes more than it may.
var ErrUnpacked = errors.New("too much")

// Unpacker undoes the compression of batches. Beside what becomes of one it takes a few buffers of a
// block each, whatever the batch says of itself; so zstd and snappy don't go through kafka-go, which
// allocates what they claim to need. Any goroutine may use it.
type Unpacker struct {
	most int // bytes that a batch may become
	zstd *zstd.Decoder
}

// NewUnpacker returns one of batches that become most bytes at most. With zstd the window counts, too.
func NewUnpacker(most int) *Unpacker {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(uint64(most)))
	if err != nil {
		panic(err) // an option is out of its range
	}
	return &Unpacker{most, z}
}

// Unpack returns the records of a compressed batch without compression, in room if that is large
// enough, else in more, or ErrUnpacked.
func (u *Unpacker) Unpack(b *Batch, room []byte) (unpacked []byte, err error) {
	packed := compress.Compression(b.attributes & compressionBits)
	codec := packed.Codec()
	if codec == nil {
		return nil, fmt.Errorf("the batch has the unknown compression %d", packed)
	}
	switch packed {
	case compress.Zstd:
		unpacked, err = u.unzstd(b.records, room)
	case compress.Snappy:
		unpacked, err = u.unsnap(b.records, room)
	default: // gzip and lz4, which need no more than a block of memory
		unpacked, err = u.read(codec.NewReader(bytes.NewReader(b.records)), room)
	}
	if err != nil {
		return nil, fmt.Errorf("the batch's compression (%s): %w", codec.Name(), err)
	}
	return unpacked, nil
}

// read reads r to its end, and closes it.
func (u *Unpacker) read(r io.ReadCloser, room []byte) ([]byte, error) {
	defer r.Close() // gives r back to a pool
	unpacked := room[:0]
	for {
		if len(unpacked) == cap(unpacked) {
			if len(unpacked) > u.most {
				return nil, ErrUnpacked
			}
			more := make([]byte, len(unpacked), max(leastUnpacked, min(2*cap(unpacked), u.most+1)))
			copy(more, unpacked)
			unpacked = more
		}
		n, err := r.Read(unpacked[len(unpacked):cap(unpacked)])
		unpacked = unpacked[:len(unpacked)+n]
		switch {
		case len(unpacked) > u.most:
			return nil, ErrUnpacked
		case errors.Is(err, io.EOF):
			return unpacked, nil
		case err != nil:
			return nil, err
		}
	}
}

func (u *Unpacker) unzstd(packed, room []byte) ([]byte, error) {
	unpacked, err := u.zstd.DecodeAll(packed, room[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, ErrUnpacked
	}
	return unpacked, err
}

// The framing that Java gives snappy: a head of a mark and two versions, then blocks behind their
// lengths. Other producers write a single block without it.
const (
	xerialMark = "\x82SNAPPY\x00"
	xerialHead = len(xerialMark) + 4 + 4
)

func (u *Unpacker) unsnap(packed, room []byte) ([]byte, error) {
	blocks, size, err := snappyBlocks(packed, u.most)
	if err != nil {
		return nil, err
	}
	if size > cap(room) {
		room = make([]byte, max(leastUnpacked, size))
	}
	unpacked := room[:0]
	for _, block := range blocks {
		part, err := snappy.Decode(room[len(unpacked):cap(room)], block)
		if err != nil {
			return nil, err
		}
		unpacked = room[:len(unpacked)+len(part)]
	}
	return unpacked, nil
}

// snappyBlocks returns the blocks that packed is made of, and how many bytes they say that they
// become.
func snappyBlocks(packed []byte, most int) (blocks [][]byte, size int, err error) {
	r := reader{b: packed}
	framed := bytes.HasPrefix(packed, []byte(xerialMark)) && len(r.bytes(int64(xerialHead))) > 0
	for first := true; first || len(r.b) > 0; first = false {
		block := r.b
		if framed {
			block = r.bytes(int64(r.int32()))
		} else {
			r.b = nil
		}
		if r.bad {
			return nil, 0, io.ErrUnexpectedEOF
		}
		n, err := snappy.DecodedLen(block)
		if err != nil {
			return nil, 0, err
		}
		if size += n; size > most {
			return nil, 0, ErrUnpacked
		}
		blocks = append(blocks, block)
	}
	return blocks, size, nil
}
