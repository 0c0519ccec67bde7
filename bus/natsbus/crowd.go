package natsbus

import (
	"errors"

	"github.com/nats-io/nats.go"
)

// A server can bound the subscriptions of a connection. Of one over that it says so, but not which one. So
// from then on none is believed to be taken that it has not answered to yet; a second connection counts how
// many the server takes; and the next one has first what was granted, then the others as far as there is
// room. The rest is refused, and so is what comes later, without a word to the server, while now and then
// look has them counted again. Where there is room, nobody notices, but for one short gap when the limit
// was met.

var errCrowded = errors.New("natsbus: the NATS server takes no more subscriptions")

// isCrowded reports whether the server has refused a subscription on c. Its word comes before its answer
// to the PING behind, but reported may hear of it a little later.
func (c *conn) isCrowded() bool {
	return c.refused.Load() > 0 || errors.Is(c.nc.LastError(), nats.ErrMaxSubscriptionsExceeded)
}

// isFull reports whether c is known to take no more subscriptions.
func (b *Bus) isFull(c *conn) bool {
	limit := int(b.maxSubscriptions.Load())
	return limit > 0 && c.nc.NumSubscriptions() >= limit
}

// leaveCrowded ends a connection that is crowded, when all that was published on it is confirmed.
func (w *writer) leaveCrowded() {
	c := w.conn
	if c == nil || c.isOver() || !c.isCrowded() {
		return
	}
	tried := c.nc.NumSubscriptions()
	limit, err := w.count(c, tried)
	if err != nil {
		limit = tried / 2 // until the next look
	}
	limit = max(min(limit, tried-1), 1)
	w.maxSubscriptions.Store(int64(limit))
	w.log.Error("the NATS server takes no more subscriptions: further destinations are refused; raise its limit", "limit", limit)
	w.confirmer.turn()
	c.close()
}

// count returns how many subscriptions c's server takes on a connection, n at most.
func (b *Bus) count(c *conn, n int) (int, error) {
	second, err := b.connect(c.server)
	if err != nil {
		return 0, err
	}
	for range n {
		_, err = second.nc.ChanSubscribe(b.own+".x", make(chan *nats.Msg, 1))
	}
	if err == nil {
		err = second.flush(b.ctx, dialTimeout)
	}
	second.close() // then all is reported
	if denied := second.nc.LastError(); errors.Is(denied, nats.ErrPermissionViolation) {
		err = denied
	}
	return n - int(second.refused.Load()), err
}

// lookForRoom has the subscriptions counted that c's server takes, if their number was found to be bounded.
func (b *Bus) lookForRoom(c *conn) {
	limit := int(b.maxSubscriptions.Load())
	if limit == 0 {
		return
	}
	if n, err := b.count(c, 2*limit); err == nil && n > limit {
		b.maxSubscriptions.Store(int64(n))
		b.lookPause = 0
	}
}
