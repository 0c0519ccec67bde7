package natsbus

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/stompgw/stompgw/bus"
)

// A server closes the connection over a line that is longer than it takes, and with it goes all that
// others have on their way. So a node never writes one. How large an envelope may be (max_payload),
// the server tells in the handshake. How long a line may be (max_control_line), it does not: a new
// connection tries with subscriptions that nobody uses, before there is anything on it to be lost.
//
// Both can change while a connection lives, and then it ends with the next line that is too long; the
// next connection knows, and confirm.go makes up for it. Of limits that were raised nobody says anything.
// So after a refusal by a limit a second connection has a look.
//
// A server can bound the subscriptions of a connection too. Of one over that it says so, but not which one.
// So from then on none is believed to be taken that it has not answered to yet; a second connection counts
// how many the server takes; and the next one has first what was granted, then the others as far as there
// is room. The rest is refused, and so is what comes later, without a word to the server. Where there is
// room nobody notices, but for one short gap when the limit was met.

const (
	// lineRest is the most bytes that stand beside a subject in a control line, as servers count it:
	// blanks, and a subscription id or two sizes.
	lineRest = 20
	// The least time between two looks grows from shortLook to longLook while they find nothing.
	shortLook = 5 * time.Second
	longLook  = 5 * time.Minute
	// hiddenFor is how long a limit counts that the server did not tell of, and was found to have.
	hiddenFor = 10 * time.Minute
)

// learn finds out how long a subject c's server takes. Each that is too long costs the connection, so
// it returns another one, which has survived; there is one such for most servers, which take the
// longest that there is, and about a dozen for others, but three once their limit is known.
func (b *Bus) learn(c *conn) (*conn, error) {
	fits, tooLong := 0, maxSubject+1
	for unexplained, n := 0, maxSubject; fits+1 < tooLong; n = b.nextTry(fits, tooLong) {
		err := b.try(c, n)
		if err == nil {
			fits, unexplained = n, 0
			continue
		}
		c.close()
		switch fault, _ := c.why(); {
		case errors.Is(err, context.DeadlineExceeded), b.ctx.Err() != nil: // nobody has closed it over the line
			return nil, err
		case fault == overLine, unexplained == 2: // its word can be lost with the connection
			tooLong, unexplained = n, 0
		default:
			unexplained++
		}
		if c, err = b.connect(c.server); err != nil {
			return nil, err
		}
	}
	c.maxSubject = fits
	return c, nil
}

// nextTry returns the length to try next, between one that fits and one that does not.
func (b *Bus) nextTry(fits, tooLong int) int {
	known := int(b.maxSubject.Load())
	switch {
	case fits < known && known < tooLong:
		return known
	case fits == known:
		return known + 1
	}
	return (fits + tooLong) / 2
}

// try returns nil if c carries a subject of n bytes.
func (b *Bus) try(c *conn, n int) error {
	const ends = len("  1") // of the line, in a subscription
	subject := b.probe + strings.Repeat("x", max(n+lineRest-ends-len(b.probe), 1))
	sub, err := c.nc.ChanSubscribe(subject, make(chan *nats.Msg, 1))
	if err != nil {
		return err
	}
	unsubscribe(sub)
	return c.flush(b.ctx, dialTimeout)
}

// takes notes what may be written to c.
func (b *Bus) takes(c *conn) {
	b.maxSubject.Store(int64(c.maxSubject))
	if c.maxSubject < maxSubject {
		if _, ok := b.limitLog.Pass(); ok {
			b.log.Warn("the NATS server only takes short control lines: longer destinations are refused; raise its max_control_line to 4096",
				"subject_bytes", c.maxSubject)
		}
	}
	b.takesPayload(c)
}

// takesPayload notes how large an envelope c takes now.
func (b *Bus) takesPayload(c *conn) {
	limit := c.nc.MaxPayload()
	if hidden := b.hidden.Load(); hidden != nil && hidden.size < limit && time.Now().Before(hidden.until) {
		limit = hidden.size
	}
	b.maxPayload.Store(limit)
}

// hiddenLimit is a limit that the server has and did not tell of, such as that of an account.
type hiddenLimit struct {
	size  int64
	until time.Time
}

// hide notes that the server did not take an envelope of size bytes, although it had told of no such
// limit. Clients could come down to it byte by byte, and end a connection each time; so half of size
// is the limit from now on, or taken, the largest that the server took, if that is more.
func (b *Bus) hide(size, taken int) {
	limit := &hiddenLimit{size: int64(max(size/2, taken)), until: time.Now().Add(hiddenFor)}
	b.hidden.Store(limit)
	b.maxPayload.Store(min(b.maxPayload.Load(), limit.size))
	b.log.Error("the NATS server closed the connection over an envelope that its max_payload allows: smaller ones are refused for a while; lower limits.message",
		"bytes", size, "limit", limit.size, "for", hiddenFor)
}

// refuseByLimit passes on err, and where the server may take what was too much for it by now, has somebody
// look.
func (b *Bus) refuseByLimit(err error) error {
	if errors.Is(err, bus.ErrTooLarge) || errors.Is(err, bus.ErrCrowded) || errors.Is(err, bus.ErrDestination) && b.maxSubject.Load() < maxSubject {
		signal(b.refusedByLimit)
	}
	return err
}

var errOutdated = errors.New("the server's limits have changed")

// lookUntilOutdated has a look at the limits of c's server after a refusal by one, and returns true when c
// has others; or false when ctx ends.
func (b *Bus) lookUntilOutdated(ctx context.Context, c *conn) bool {
	for await(ctx, b.refusedByLimit) && await(ctx, time.After(time.Until(b.nextLook))) {
		if b.look(c) {
			b.lookPause = 0
			return true
		}
	}
	return false
}

// look reports whether c's server takes other sizes now than it did when c began. How many subscriptions it
// takes now, it notes.
func (b *Bus) look(c *conn) bool {
	b.lookPause = min(max(2*b.lookPause, shortLook), longLook)
	b.nextLook = time.Now().Add(b.lookPause)
	if known := int(b.maxSubscriptions.Load()); known > 0 {
		if n, err := b.count(c, 2*known); err == nil && n > known {
			b.maxSubscriptions.Store(int64(n))
			b.lookPause = 0
		}
	}
	b.takesPayload(c)
	fresh, err := b.connect(c.server)
	if err == nil {
		fresh, err = b.learn(fresh)
	}
	if err != nil {
		return false // c tells how the server does
	}
	fresh.close()
	return fresh.maxSubject != c.maxSubject || fresh.nc.MaxPayload() != c.nc.MaxPayload()
}

// isCrowded reports whether the server has refused a subscription on c. Its word comes before its answer
// to the PING behind, but reported may hear of it a little later.
func (c *conn) isCrowded() bool {
	return c.surplus.Load() > 0 || errors.Is(c.nc.LastError(), nats.ErrMaxSubscriptionsExceeded)
}

// isFull reports whether c is known to take no more subscriptions.
func (b *Bus) isFull(c *conn) bool {
	limit := int(b.maxSubscriptions.Load())
	return limit > 0 && c.nc.NumSubscriptions() >= limit
}

// countRoom finds out how many subscriptions the server of c, which is crowded, takes.
func (b *Bus) countRoom(c *conn) {
	tried := c.nc.NumSubscriptions()
	limit, err := b.count(c, tried)
	if err != nil {
		limit = tried / 2 // until the next look
	}
	limit = max(min(limit, tried-1), 1)
	b.maxSubscriptions.Store(int64(limit))
	b.log.Error("the NATS server takes no more subscriptions: further destinations are refused; raise its limit", "limit", limit)
}

// count returns how many subscriptions c's server takes on a connection, n at most.
func (b *Bus) count(c *conn, n int) (int, error) {
	second, err := b.connect(c.server)
	if err != nil {
		return 0, err
	}
	for range n {
		_, err = second.nc.ChanSubscribe(b.probe+"x", make(chan *nats.Msg, 1))
	}
	if err == nil {
		err = second.flush(b.ctx, dialTimeout)
	}
	second.close()
	if denied := second.nc.LastError(); errors.Is(denied, nats.ErrPermissionViolation) {
		err = denied
	}
	return n - int(second.surplus.Load()), err
}
