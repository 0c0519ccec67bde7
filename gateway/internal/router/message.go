package router

import (
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Message is an envelope made ready for delivery. It never changes, so loops share it.
type Message struct {
	Destination string
	Seq         uint64 // this node's number of it, from 1; part of message-id
	Correlation string // of an individual one: what it says that it is an answer to; empty for nothing
	id          string // the message-id header
	leftOut     int    // headers that STOMP 1.2 has no place for
	// rest is the frame from the destination header on, by version; versions that write it alike
	// share it. What a version can't write was left out, so text is said of each.
	rest [stomp.V12 + 1][]byte
	text [stomp.V12 + 1]bool // rest is valid UTF-8
}

// HeaderCorrelation is the header by which an answer says what it is one to.
const HeaderCorrelation = "correlation-id"

// NewMessage copies what it needs of an envelope. destination is by which its subscriptions are found, for
// an individual one what the session subscribed to, and name what the MESSAGE says. seq is unique on the
// node; node makes the message-id unique among nodes.
func NewMessage(e bus.Envelope, destination, name, node string, seq uint64) *Message {
	m := &Message{Destination: destination, Seq: seq, id: messageID(node, seq)}
	if e.Member != "" && !isMember(e.Member) {
		e.Member = ""
	}
	alike := stomp.Plain(name) && stomp.Plain(e.Member)
	size := len("destination:\nmessage-id:\ncontent-length:12345678\n\n\x00") + len(name) + len(m.id) + len(e.Body)
	if e.Member != "" {
		size += len(policy.HeaderMember) + len(e.Member) + 2
	}
	for _, h := range e.Headers {
		alike = alike && stomp.Plain(h.Name) && stomp.Plain(h.Value)
		size += len(h.Name) + len(h.Value) + 2
	}
	for v := stomp.V10; v <= stomp.V12; v++ {
		if alike && v > stomp.V10 {
			m.rest[v], m.text[v] = m.rest[stomp.V10], m.text[stomp.V10]
			continue
		}
		m.rest[v], m.leftOut = encodeRest(make([]byte, 0, size), v, name, m.id, e)
		m.text[v] = utf8.Valid(m.rest[v])
	}
	return m
}

// Number implements history.Message.
func (m *Message) Number() uint64 { return m.Seq }

// messageSize is what a message takes in memory beside the octets of its frame.
const messageSize = int(unsafe.Sizeof(Message{}))

// Size implements history.Message.
func (m *Message) Size() int {
	n := messageSize + len(m.id)
	for v, rest := range m.rest {
		if v == 0 || len(rest) == 0 || len(m.rest[v-1]) == 0 || &rest[0] != &m.rest[v-1][0] {
			n += cap(rest)
		}
	}
	return n
}

// encodeRest also returns how many headers were left out.
func encodeRest(dst []byte, v stomp.Version, name, id string, e bus.Envelope) (rest []byte, leftOut int) {
	dst = stomp.AppendEntry(dst, v, "destination", name)
	dst = stomp.AppendEntry(dst, v, "message-id", id)
	if e.Member != "" {
		dst = stomp.AppendEntry(dst, v, policy.HeaderMember, e.Member)
	}
	for _, h := range e.Headers {
		had := len(dst)
		if !isOurs(h.Name) {
			dst = stomp.AppendEntry(dst, v, h.Name, h.Value)
		}
		if len(dst) == had {
			leftOut++
		}
	}
	return stomp.AppendBody(dst, e.Body), leftOut
}

// isOurs reports whether MESSAGE has a header of that name which only the server can know. Programs
// that publish to the broker themselves may set any.
func isOurs(name string) bool {
	switch name {
	case stomp.HeaderDestination, stomp.HeaderMessageID, stomp.HeaderSubscription, stomp.HeaderAck, stomp.HeaderContentLength:
		return true
	}
	return policy.IsOurs(name)
}

// isMember reports whether name is that of a member in its destinations. Programs that publish to the broker as a node does may
// set any.
func isMember(name string) bool {
	_, err := destination.ParseInbox(name)
	return err == nil
}

// messageID is unique among the messages of all nodes.
func messageID(node string, seq uint64) string {
	b := make([]byte, 0, len(node)+21)
	b = append(append(b, node...), '-')
	return string(strconv.AppendUint(b, seq, 10))
}

// packer encodes the MESSAGE of one message for subscriptions, and remembers the last few kinds.
type packer struct {
	head   []byte // scratch
	recent [4]packed
	next   int
}

// packed is a MESSAGE as subscriptions of one kind receive it.
type packed struct {
	id       string
	framing  Framing
	version  stomp.Version
	wantsAck bool
	placed   bool
	bytes    []byte
}

func (k *packed) fits(s *Subscription) bool {
	return k.bytes != nil && k.id == s.ID && k.version == s.Version && k.wantsAck == s.WantsAck && k.framing == s.Framing
}

// pack returns m as s receives it, shared with all subscriptions that receive the same. place is where s stands then, empty
// where that can't be told.
func (p *packer) pack(m *Message, place string, s *Subscription) []byte {
	for i := range p.recent {
		if p.recent[i].placed == (place != "") && p.recent[i].fits(s) {
			return p.recent[i].bytes
		}
	}
	b := p.encode(m, place, bus.Header{}, s)
	p.recent[p.next] = packed{s.ID, s.Framing, s.Version, s.WantsAck, place != "", b}
	p.next = (p.next + 1) % len(p.recent)
	return b
}

// encode returns m as s alone receives it, with one header more if that has a name.
func (p *packer) encode(m *Message, place string, more bus.Header, s *Subscription) []byte {
	head := stomp.AppendCommand(p.head[:0], "MESSAGE")
	if s.ID != "" {
		head = stomp.AppendEntry(head, s.Version, "subscription", s.ID)
	}
	if s.WantsAck {
		head = stomp.AppendEntry(head, s.Version, "ack", m.id+ackSeparator+s.ID)
	}
	if place != "" {
		head = stomp.AppendEntry(head, s.Version, policy.HeaderPosition, place)
	}
	if more.Name != "" {
		head = stomp.AppendEntry(head, s.Version, more.Name, more.Value)
	}
	p.head = head
	rest := m.rest[s.Version]
	isText := m.text[s.Version] && s.isText() && utf8.ValidString(more.Value)
	return s.Framing.Append(make([]byte, 0, s.Framing.Overhead()+len(head)+len(rest)), isText, head, rest)
}

// reset forgets the message; what is packed next is another one.
func (p *packer) reset() {
	p.recent = [4]packed{}
	p.next = 0
}

// ackSeparator stands between message-id and subscription id in an ack header. No message-id holds
// it.
const ackSeparator = "/"
