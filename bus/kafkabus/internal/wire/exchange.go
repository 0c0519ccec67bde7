package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
)

// MostAnswer bounds an answer: what a fetch asks for and one batch more, which a broker sends whole
// however large it is.
const MostAnswer = 256 << 20

// Question is a request to one broker, and becomes its answer.
type Question interface {
	protocol.Message
	// exchange asks, and reads the answer. The connection's goroutine calls it, and may do so after
	// RoundTrip has returned an error: the question must not be used again then. An error closes the
	// connection.
	exchange(rw io.ReadWriter, x *Exchange) error
}

// Exchange is a Question to one broker, for kafka.Transport. It takes the way that the transport
// keeps for odd requests (protocol.RawExchanger), because its usual one
//   - chooses the broker by what it believes of the leaders, and refuses a request across two,
//   - asks for the offsets of many partitions with a request, and a connection, for each,
//   - fails a whole answer for one batch that it can't read, and hides where that batch ends.
type Exchange struct {
	Question
	BrokerID int32
	ID       int32 // the answer has to bear it
	Client   string

	versions map[protocol.ApiKey]int16 // of the protocol, as agreed with the broker; set by the connection
}

// Broker implements protocol.BrokerMessage.
func (x *Exchange) Broker(c protocol.Cluster) (protocol.Broker, error) {
	b, ok := c.Brokers[x.BrokerID]
	if !ok {
		return b, kafka.BrokerNotAvailable
	}
	return b, nil
}

// Required implements protocol.RawExchanger.
func (x *Exchange) Required(versions map[protocol.ApiKey]int16) bool {
	x.versions = versions
	return true
}

// RawExchange implements protocol.RawExchanger.
func (x *Exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	return x.Question, x.exchange(rw, x)
}

// version returns the version of the protocol for the question.
func (x *Exchange) version() int16 { return x.versions[x.ApiKey()] }

// ask writes a request that kafka-go knows.
func (x *Exchange) ask(w io.Writer, request protocol.Message) error {
	return protocol.WriteRequest(w, x.version(), x.ID, x.Client, request)
}

// askNew asks what kafka-go does not know, in a version of its own: body is what follows the head. A
// broker that does not offer that version is not asked.
func (x *Exchange) askNew(rw io.ReadWriter, version int16, body []byte, parse func(*reader)) error {
	if offered, err := x.offers(rw, version); err != nil || !offered {
		return err
	}
	b := make([]byte, 4, 128+len(body)) // for the size
	b = binary.BigEndian.AppendUint16(b, uint16(x.ApiKey()))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(x.ID))
	b = append(appendText(b, x.Client), body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	if _, err := rw.Write(b); err != nil {
		return err
	}
	return x.answer(rw, parse)
}

// offers reports whether the broker at the other end of rw knows the question in a version. What the
// connection has agreed on goes no further than what kafka-go knows.
func (x *Exchange) offers(rw io.ReadWriter, version int16) (bool, error) {
	msg, err := protocol.RoundTrip(rw, x.versions[protocol.ApiVersions], x.ID, x.Client, new(apiversions.Request))
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(msg.(*apiversions.Response).ApiKeys, func(k apiversions.ApiKeyResponse) bool {
		return k.ApiKey == int16(x.ApiKey()) && k.MinVersion <= version && version <= k.MaxVersion
	}), nil
}

// answer reads an answer, and has parse read what it holds.
func (x *Exchange) answer(r io.Reader, parse func(*reader)) error {
	size, err := readSize(r)
	if err != nil {
		return err
	}
	b, err := readSized(r, nil, size, MostAnswer)
	if err != nil {
		return err
	}
	return x.parse(b, parse)
}

// parse has parse read an answer, behind the id that it has to bear.
func (x *Exchange) parse(answer []byte, parse func(*reader)) error {
	r := reader{b: answer}
	if id := r.int32(); id != x.ID {
		return fmt.Errorf("answer to request %d, want %d", id, x.ID)
	}
	if parse(&r); r.bad {
		return fmt.Errorf("an answer of %d bytes ends too early", len(answer))
	}
	return nil
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

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}
