package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// MostAnswer bounds the answer to a fetch: what it asks for and one batch more, which a broker sends whole
	// however large it is.
	MostAnswer = 256 << 20

	mostInquiry = 16 << 20  // bytes of the answer to an Inquiry, each of which may take a hundred of memory
	client      = "stompgw" // the name that brokers read in each request
)

// Conn is a connection to one broker, for one goroutine at a time. After an error it is of no use.
type Conn struct {
	*protocol.Conn
	offered  map[protocol.ApiKey]kmsg.ApiVersionsResponseApiKey
	versions map[protocol.ApiKey]int16 // that kafka-go speaks with the broker
	lastID   int32                     // of a Question
}

// NewConn logs in to the broker at the other end of nc by mechanism, nil for not at all, and agrees with it on
// the versions of the protocol. Whoever calls it bounds its time by closing nc.
func NewConn(ctx context.Context, nc net.Conn, mechanism sasl.Mechanism) (*Conn, error) {
	if mechanism != nil {
		login := kafka.Dialer{ClientID: client, SASLMechanism: mechanism}
		login.DialFunc = func(context.Context, string, string) (net.Conn, error) { return nc, nil }
		if _, err := login.DialContext(ctx, "tcp", nc.RemoteAddr().String()); err != nil {
			return nil, err
		}
	}
	c := &Conn{
		Conn:     protocol.NewConn(nc, client),
		offered:  make(map[protocol.ApiKey]kmsg.ApiVersionsResponseApiKey),
		versions: make(map[protocol.ApiKey]int16),
	}
	// kafka-go would make room for as many versions as anything says that listens there, such as a web server.
	hello := &Inquiry{Request: kmsg.NewPtrApiVersionsRequest()}
	if err := hello.trade(c, c.nextID()); err != nil {
		return nil, err
	}
	offer := hello.Answer.(*kmsg.ApiVersionsResponse)
	for _, api := range offer.ApiKeys {
		key := protocol.ApiKey(api.ApiKey)
		c.offered[key], c.versions[key] = api, key.SelectVersion(api.MinVersion, api.MaxVersion)
	}
	c.SetVersions(c.versions)
	return c, ErrorOf(offer.ErrorCode)
}

// ErrorOf returns the error that a code stands for, with what the broker says beside it, nil for none.
func ErrorOf(code int16, words ...string) error {
	switch said := strings.Join(words, ""); {
	case code == 0:
		return nil
	case said != "":
		return fmt.Errorf("%w: %s", kafka.Error(code), said)
	}
	return kafka.Error(code)
}

// Question is a request that kafka-go does not know, or whose answer it would read otherwise. It becomes
// its own answer.
type Question interface {
	protocol.Message
	exchange(c *Conn, id int32) error
}

// Ask asks the broker, and returns what it answers: for a Question that itself.
func (c *Conn) Ask(request protocol.Message) (answer protocol.Message, err error) {
	q, ok := request.(Question)
	if !ok {
		return c.RoundTrip(request)
	}
	return q, q.exchange(c, c.nextID())
}

func (c *Conn) nextID() int32 {
	c.lastID++
	return c.lastID
}

// Inquiry is a Question in a version of the protocol that kafka-go does not know, or one about many
// partitions, for each of which kafka-go would make a connection.
type Inquiry struct {
	Request kmsg.Request  // in the latest version that may be spoken
	Least   int16         // the oldest one
	Answer  kmsg.Response // nil of a broker that offers none of these
}

// ApiKey implements protocol.Message.
func (q *Inquiry) ApiKey() protocol.ApiKey { return protocol.ApiKey(q.Request.Key()) }

func (q *Inquiry) exchange(c *Conn, id int32) error {
	offer, known := c.offered[q.ApiKey()]
	version := min(q.Request.GetVersion(), offer.MaxVersion)
	if !known || version < max(q.Least, offer.MinVersion) {
		return nil
	}
	q.Request.SetVersion(version)
	return q.trade(c, id)
}

// trade asks in the version of the request.
func (q *Inquiry) trade(c *Conn, id int32) error {
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID(client))
	if _, err := c.Write(format.AppendRequest(nil, q.Request, id)); err != nil {
		return err
	}
	size, err := readSize(c)
	if err != nil {
		return err
	}
	b, err := readSized(c, nil, size, mostInquiry)
	if err != nil {
		return err
	}
	return q.parse(b, id)
}

func (q *Inquiry) parse(answer []byte, id int32) error {
	r, err := behindID(answer, id)
	if err != nil {
		return err
	}
	res := q.Request.ResponseKind()
	if res.IsFlexible() {
		passTags(&r)
	}
	if err := res.ReadFrom(r.Src); err != nil {
		return err
	}
	q.Answer = res
	return nil
}

// behindID returns a reader of what stands in an answer behind the id that it has to bear.
func behindID(answer []byte, id int32) (kbin.Reader, error) {
	r := kbin.Reader{Src: answer}
	if got := r.Int32(); got != id {
		return r, fmt.Errorf("answer to request %d, want %d", got, id)
	}
	return r, nil
}

// passTags passes by the tagged fields at the end of a structure.
func passTags(r *kbin.Reader) {
	for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
		r.Uvarint() // which one
		r.Span(int(r.Uvarint()))
	}
}

// What others answer begins so, where a broker says how long its answer is, of which none may be as long.
const (
	http  = 'H'<<24 | 'T'<<16 | 'T'<<8 | 'P'
	alert = 0x15<<8 | 3 // of TLS, whatever version
)

func readSize(r io.Reader) (int32, error) {
	var size [4]byte
	_, err := io.ReadFull(r, size[:])
	return int32(binary.BigEndian.Uint32(size[:])), err
}

// readSized reads n bytes, into buf if that is large enough.
func readSized(r io.Reader, buf []byte, n, most int32) ([]byte, error) {
	switch {
	case n == http:
		return nil, errors.New("what listens there speaks HTTP, not Kafka's protocol")
	case n>>16 == alert:
		return nil, errors.New("what listens there expects TLS")
	case n < 0 || n > most:
		return nil, fmt.Errorf("an answer of %d bytes, want at most %d", n, most)
	}
	if int(n) > cap(buf) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err := io.ReadFull(r, buf)
	return buf, err
}
