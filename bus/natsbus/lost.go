package natsbus

import (
	"math"

	"github.com/stompgw/stompgw/bus"
)

// A server that closes the connection over a line has carried out those before it, and has not read
// those after it. It names no line. But it is one that the next connection would not take: so the
// limits that this one tells, or is found to have, show which it was. What is too large is refused and
// not written again; what stood before the first of it has been taken; what stood after it is written
// to the next connection, in its order. So nothing is lost or doubled for others by it.

// recover settles what the connection before c had not confirmed, now that c's limits are known. Of those
// that ended otherwise nothing but watches is left: these are asked for again.
func (b *Bus) recover(c, last *conn) {
	sent := b.out.take(&b.out.sent, nil)
	var watches, again []item
	first, known := b.culprit(sent, last)
	for i := range sent {
		it := &sent[i]
		if it.watch != nil {
			watches = append(watches, *it)
			continue
		}
		err := b.check(it)
		if it.ack != 0 {
			if _, waits := b.out.acks.take(it.ack); !waits {
				continue
			}
		}
		switch {
		case err != nil:
			b.out.finish(it, err)
		case i > first && first >= 0:
			it.ack = 0
			again = append(again, *it)
		case known && it.ack == 0: // else the stream alone knows
			b.out.finish(it, b.outcome(last, it))
		default:
			b.out.finish(it, bus.ErrUnknown)
		}
	}
	b.out.expireAcks(0, math.MaxUint64) // of which the last connection knew that it was written
	b.out.putBack(&b.out.queue, again)
	b.out.putBack(&b.out.sent, watches)
	signal(b.out.written)
}

// culprit returns the place of the first that is too much for the present connection, or -1. known says
// that there can be none before it. Where the next connection has no such limit as closed the last one, it
// is the largest, and counts as too much from now on.
func (b *Bus) culprit(sent []item, last *conn) (at int, known bool) {
	at, size := -1, 0
	for i := range sent {
		if sent[i].watch != nil {
			continue
		}
		if b.check(&sent[i]) != nil {
			return i, true
		}
		if n := sent[i].wireSize(); n > size {
			at, size = i, n
		}
	}
	if at < 0 {
		return -1, false
	}
	if fault, _ := last.why(); fault != overPayload {
		return -1, false
	}
	b.hide(size, last.confirmed)
	return at, false
}
