package kafkabus

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
)

// exchange is one request to one broker, and how its answer is read. It takes the way that
// kafka.Transport keeps for odd requests (protocol.RawExchanger), because its usual one
//   - chooses the broker by what it believes of the leaders, and refuses a request across two,
//   - asks for the offsets of many partitions with a request, and a connection, for each,
//   - fails a whole answer for one batch that it can't read, and hides where that batch ends.
type exchange struct {
	broker  int32
	id      int32 // the answer has to bear it
	client  string
	request protocol.Message
	answer  readable // nil for a request that exchanges itself

	versions map[protocol.ApiKey]int16 // of the protocol, as agreed with the broker; set by the connection
}

// unknown is a request that kafka-go does not know: it writes itself, and becomes the answer. The
// connection's goroutine calls its methods, with the same warning as for readable.
type unknown interface {
	protocol.Message
	version() int16
	appendTo(head []byte) []byte
	parse(answer []byte, x *exchange) error
}

// readable is an answer that reads itself. The connection's goroutine calls read, and may do so
// after RoundTrip has returned an error: what it reads into must not be used again then.
type readable interface {
	protocol.Message
	read(r io.Reader, x *exchange) error
}

// ApiKey implements protocol.Message.
func (x *exchange) ApiKey() protocol.ApiKey { return x.request.ApiKey() }

// Broker implements protocol.BrokerMessage.
func (x *exchange) Broker(c protocol.Cluster) (protocol.Broker, error) {
	b, ok := c.Brokers[x.broker]
	if !ok {
		return b, kafka.BrokerNotAvailable
	}
	return b, nil
}

// Required implements protocol.RawExchanger.
func (x *exchange) Required(versions map[protocol.ApiKey]int16) bool {
	x.versions = versions
	return true
}

// RawExchange implements protocol.RawExchanger. An error closes the connection.
func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if q, ok := x.request.(unknown); ok {
		return q, x.exchange(rw, q)
	}
	if err := protocol.WriteRequest(rw, x.version(), x.id, x.client, x.request); err != nil {
		return nil, err
	}
	if err := x.answer.read(rw, x); err != nil {
		return nil, err
	}
	return x.answer, nil
}

// exchange asks q, unless the broker does not know it; q stays empty then.
func (x *exchange) exchange(rw io.ReadWriter, q unknown) error {
	offered, err := x.offers(rw, q)
	if err != nil || !offered {
		return err
	}
	if err := send(rw, q.appendTo(x.head(q))); err != nil {
		return err
	}
	answer, err := readAnswer(rw)
	if err != nil {
		return err
	}
	return q.parse(answer, x)
}

// version returns the version of the protocol for the request.
func (x *exchange) version() int16 { return x.versions[x.ApiKey()] }

func (x *exchange) checkID(id int32) error {
	if id != x.id {
		return fmt.Errorf("answer to request %d, want %d", id, x.id)
	}
	return nil
}

// offers reports whether the broker at the other end of rw knows q in its version. What the
// connection has agreed on goes no further than what kafka-go knows.
func (x *exchange) offers(rw io.ReadWriter, q unknown) (bool, error) {
	msg, err := protocol.RoundTrip(rw, x.versions[protocol.ApiVersions], x.id, x.client, new(apiversions.Request))
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(msg.(*apiversions.Response).ApiKeys, func(k apiversions.ApiKeyResponse) bool {
		return k.ApiKey == int16(q.ApiKey()) && k.MinVersion <= q.version() && q.version() <= k.MaxVersion
	}), nil
}

// send writes a request of which everything but the size is there: the first four bytes are free for
// that.
func send(w io.Writer, request []byte) error {
	binary.BigEndian.PutUint32(request, uint32(len(request)-4))
	_, err := w.Write(request)
	return err
}

// head returns the head of q: room for its size, and what all requests begin with.
func (x *exchange) head(q unknown) []byte {
	b := make([]byte, 4, 128)
	b = binary.BigEndian.AppendUint16(b, uint16(q.ApiKey()))
	b = binary.BigEndian.AppendUint16(b, uint16(q.version()))
	b = binary.BigEndian.AppendUint32(b, uint32(x.id))
	return appendText(b, x.client)
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}
