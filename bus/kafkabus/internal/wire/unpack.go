package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

const (
	leastUnpacked = 64 << 10 // bytes of memory to begin with
	mostSnapped   = 22       // bytes that one of snappy may become
)

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
			more := make([]byte, len(unpacked), larger(unpacked, u.most+1))
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

// larger returns how large the memory is to be that takes the place of room.
func larger(room []byte, most int) int { return max(leastUnpacked, min(2*cap(room), most)) }

func (u *Unpacker) unzstd(packed, room []byte) ([]byte, error) {
	unpacked, err := u.zstd.DecodeAll(packed, room[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, ErrUnpacked
	}
	return unpacked, err
}

// unsnap undoes snappy, with the frames of Java's producers or without.
func (u *Unpacker) unsnap(packed, room []byte) ([]byte, error) {
	for limit := min(u.most, mostSnapped*len(packed)); ; room = make([]byte, larger(room, limit)) {
		unpacked, err := xerial.DecodeCapped(room[:0:min(cap(room), u.most)], packed)
		switch {
		case !errors.Is(err, xerial.ErrDstTooSmall):
			return unpacked, err
		case cap(room) >= u.most:
			return nil, ErrUnpacked
		case cap(room) >= limit: // it claims more than it can become
			return nil, xerial.ErrMalformed
		}
	}
}
