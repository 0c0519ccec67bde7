package natsbus

import (
	"context"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// place is a number in the stream, and what tells the message that has it from another one: a log that lost its end
// gives its numbers again.
type place struct {
	seq  uint64 // 0: none
	term uint32 // 0: unknown
}

// own reports whether the place is that of a message of the destination itself, and not of the stream's end at a time
// when the destination had none.
func (p place) own() bool { return p.term&1 == 1 }

// term is that of a message: a checksum of its body and of its headers, but for those that a server adds. It is odd.
// Their order counts for nothing, and no time does, for servers before 2.10 don't publish it again.
func term(h nats.Header, body []byte) uint32 {
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	for name, values := range h {
		if hasPrefixFold(name, "Nats-") {
			continue
		}
		for i, value := range values {
			sum += hashed(hashed(hashed(2166136261+uint32(i), name), ":"), value)
		}
	}
	return sum | 1
}

// hashed goes on with FNV-1a, which takes text as it is.
func hashed(sum uint32, text string) uint32 {
	for i := range len(text) {
		sum = (sum ^ uint32(text[i])) * 16777619
	}
	return sum
}

// beside is the term of a message's place for other destinations: even, and not 0. It has the time at which the message was
// stored in it, since nobody learns it but from the stream itself.
func beside(term uint32, at time.Time) uint32 {
	return max(hashed(term, strconv.FormatInt(at.UnixNano(), 10))&^1, 2)
}

// record is a message that the stream has.
type record struct {
	place
	at time.Time
}

// lastOf asks what the stream has last of a subject. The leader answers, so nothing is missing that it has acknowledged.
// The message comes whole, as no server can say less of it, and its checksum takes its body.
func (h *history) lastOf(ctx context.Context, c *conn, subject string) (place, error) {
	last, err := h.get(ctx, c, subject, map[string]string{"last_by_subj": subject})
	return last.place, err
}

// at asks what the stream has in a place, seen from a subject; "" is none.
func (h *history) at(ctx context.Context, c *conn, subject string, seq uint64) (record, error) {
	return h.get(ctx, c, subject, map[string]uint64{"seq": seq})
}

// get asks the leader for one message. Its seq is 0 if there is none.
func (h *history) get(ctx context.Context, c *conn, subject string, question any) (record, error) {
	var answer struct {
		Message struct {
			Subject    string
			Seq        uint64
			Hdrs, Data []byte
			Time       time.Time
		}
	}
	err := request(ctx, c, "STREAM.MSG.GET."+h.stream, question, &answer)
	if is(err, noMessage) {
		return record{}, nil
	}
	m := &answer.Message
	var header nats.Header
	if len(m.Hdrs) > 0 {
		header, _ = nats.DecodeHeadersMsg(m.Hdrs) // none, if they can't be read: so does a subscriber
	}
	r := record{place{m.Seq, term(header, m.Data)}, m.Time}
	if m.Subject != subject {
		r.term = beside(r.term, r.at)
	}
	return r, err
}
