package kafkabus

import (
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// item is an envelope on its way to the broker.
type item struct {
	envelope bus.Envelope
	done     func(error)
	size     int       // of its record, in bytes
	deadline time.Time // after which it is given up
}

// parcel is what one request writes, as one batch of records. These keep their numbers however
// often they are written.
type parcel struct {
	items []item
	first uint64 // the number of the first record; the others follow
	maybe bool   // the leader may have it: an attempt got no answer, or one that does not say
	heard bool   // it was not for its size that an attempt got none
	cuts  int    // attempts in a row whose connection ended after it was sent
}

// deadline returns until when p is tried: as long as its youngest item may wait.
func (p *parcel) deadline() time.Time {
	return slices.MaxFunc(p.items, func(a, b item) int { return a.deadline.Compare(b.deadline) }).deadline
}

// size returns how many bytes its batch takes at most.
func (p *parcel) size() int {
	size := wire.BatchHead
	for i := range p.items {
		size += p.items[i].size
	}
	return size
}

// A broker closes the connection on a request that is larger than its socket.request.max.bytes, and
// that is all that it says. So mostCuts connections in a row that end on one parcel are its answer,
// unless the parcel is so small that no broker has a limit like that.
const (
	mostCuts = 3
	leastCut = 64 << 10 // bytes
)

// noteCut notes how an attempt ended, and reports whether p is too large for its connection.
func (p *parcel) noteCut(result outcome) (tooLarge bool) {
	if result != cut {
		p.cuts = 0
		p.heard = p.heard || result == unclear
		return false
	}
	p.cuts++
	return p.cuts >= mostCuts && !p.heard && p.size() >= leastCut
}

// halves returns p as two parcels. It must have two items at least.
func (p *parcel) halves() (first, second *parcel) {
	n := len(p.items) / 2
	return &parcel{items: p.items[:n], first: p.first, maybe: p.maybe, heard: p.heard},
		&parcel{items: p.items[n:], first: p.first + uint64(n), maybe: p.maybe, heard: p.heard}
}

// records are those of a parcel, one after the other.
type records struct {
	format form.Format
	node   string
	parcel *parcel
	next   int
	record kafka.Record
}

// ReadRecord implements kafka.RecordReader. The record is valid until the next call.
func (r *records) ReadRecord() (*kafka.Record, error) {
	if r.next == len(r.parcel.items) {
		return nil, io.EOF
	}
	r.record = r.format.Encode(&r.parcel.items[r.next].envelope, r.node, r.parcel.first+uint64(r.next))
	r.next++
	return &r.record, nil
}
