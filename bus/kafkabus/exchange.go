package kafkabus

import (
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
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
	answer  readable

	versions map[protocol.ApiKey]int16 // of the protocol, as agreed with the broker; set by the connection
}

// writable is a request that kafka-go does not know.
type writable interface {
	protocol.Message
	write(w io.Writer, x *exchange) error
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
	if err := x.write(rw); err != nil {
		return nil, err
	}
	if err := x.answer.read(rw, x); err != nil {
		return nil, err
	}
	return x.answer, nil
}

func (x *exchange) write(w io.Writer) error {
	if q, ok := x.request.(writable); ok {
		return q.write(w, x)
	}
	return protocol.WriteRequest(w, x.version(), x.id, x.client, x.request)
}

// version returns the version of the protocol for the request.
func (x *exchange) version() int16 { return x.versions[x.ApiKey()] }

func (x *exchange) checkID(id int32) error {
	if id != x.id {
		return fmt.Errorf("answer to request %d, want %d", id, x.id)
	}
	return nil
}
