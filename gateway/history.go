package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/pageapi"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/internal/tcp"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// Bounds of one page of history.
const (
	// MaxHistory is how many messages a page has at most; a rule can't keep more either.
	MaxHistory = 10_000

	historyBytes = 8 << 20  // of messages as STOMP writes them; the last one may go beyond
	historyPiece = 64 << 10 // likewise, of what a loop reads in one turn
)

var (
	// ErrNoHistory reports a destination without history: its channel has none, it is a pattern, or the bus keeps no past.
	ErrNoHistory = errors.New("gateway: the destination has no history")

	// ErrPosition reports a text that is not the position of a message.
	ErrPosition = errors.New("gateway: no position of a message, which is what an x-position header says, whole")

	// ErrNotRecovered reports a position after which messages are missing by now, or one of another log of the broker.
	// The messages will not come back.
	ErrNotRecovered = errors.New("gateway: not all that came after the position is there any more")
)

// HistoryPage is a part of a destination's history, the oldest message first.
type HistoryPage struct {
	Messages []Kept
	Position string // after these messages, for the next page, or for the resume header of a SUBSCRIBE; empty if not known
	More     bool   // there are more messages after these already
}

// Kept is a message in the history of a destination.
type Kept struct {
	Position string       // after this message and all before it; empty if not known
	Headers  []bus.Header // the sender's, and content-type, without those that only a MESSAGE has, such as message-id
	Body     []byte       // the caller's
}

// HistoryJSON is a HistoryPage as programs read it.
type HistoryJSON = pageapi.HistoryPage

// JSON returns p as programs read it. It shares the memory of the bodies.
func (p HistoryPage) JSON() HistoryJSON {
	j := HistoryJSON{Messages: make([]KeptJSON, len(p.Messages)), Position: p.Position, More: p.More}
	for i, m := range p.Messages {
		j.Messages[i] = m.JSON()
	}
	return j
}

// KeptJSON is a Kept as programs read it.
type KeptJSON = pageapi.Kept

// JSON returns m as programs read it. It shares the memory of the body.
func (m Kept) JSON() KeptJSON { return pageapi.NewKept(m.Position, m.Headers, m.Body) }

// History returns messages of a destination with history, by its name on the bus, such as /topic/chat or
// /member/42/queue/inbox: the last ones or, with after, which is a Position, the first ones after it. It returns at
// most limit, 1 to MaxHistory, and fewer if they take more than 8 MiB. It checks no rights: that is up to the caller.
//
// The node reads what it has kept, as it does for a subscriber, and has the bus deliver the rest. Errors are
// ErrNoHistory, ErrPosition, ErrNotRecovered, ErrNotRunning, what the bus reports for a destination that it can't
// read, and bus.ErrDown when it does not answer. History waits until the bus delivers, or ctx ends. It must not be
// called on a loop, where the methods of a Registry run.
func (g *Gateway) History(ctx context.Context, destination, after string, limit int) (page HistoryPage, err error) {
	if limit < 1 || limit > MaxHistory {
		return page, fmt.Errorf("gateway: %d messages: want 1 to %d", limit, MaxHistory)
	}
	e := g.engine.Load()
	if e == nil {
		return page, ErrNotRunning
	}
	r := newReading(e.router.Local(rand.IntN(len(e.loops))), destination, limit)
	want := router.Want{Resume: after}
	if after == "" {
		want = router.Want{Last: limit}
	}
	if !r.local.Post(func() { r.begin(want) }) {
		return page, ErrNotRunning
	}
	select {
	case err := <-r.told:
		if err != nil {
			return page, err
		}
		return r.page()
	case <-ctx.Done():
		r.local.Post(func() { r.end(ctx.Err()) }) // it fails only when the loop has ended, and all that it owned
		return page, ctx.Err()
	}
}

// reading is a call of History: a subscription that takes nothing live. Its loop owns it, until it has told how it ended.
type reading struct {
	router.Subscription
	local *router.Local
	limit int
	told  chan error // has room for one

	reader *router.Reader
	over   bool
	frames [][]byte // MESSAGEs, each its own memory
	size   int      // of them, in bytes
	place  string   // where the reader stands at its end
	more   bool
}

func newReading(l *router.Local, destination string, limit int) *reading {
	r := &reading{local: l, limit: limit, told: make(chan error, 1)}
	r.Subscription = router.Subscription{Destination: destination, Version: stomp.V12, Framing: tcp.Framing{}, Outlet: r}
	return r
}

func (r *reading) begin(want router.Want) {
	if !r.local.HasHistory(r.Destination) {
		r.over = true
		r.told <- ErrNoHistory
		return
	}
	r.local.Follow(&r.Subscription, want, func(b router.Beginning, err error) {
		r.reader = b.Reader
		switch {
		case r.over:
			r.reader.Close()
		case err != nil:
			r.end(err)
		case b.Lack != router.None:
			r.end(lackError(b))
		default:
			r.read()
		}
	})
}

// lackError says why a reading can't begin.
func lackError(b router.Beginning) error {
	switch b.Lack {
	case router.Unreadable:
		return ErrPosition
	case router.Silent:
		return fmt.Errorf("%w: %w", bus.ErrDown, b.Why)
	case router.Evicted:
		return fmt.Errorf("%w: what the rule keeps, or the node has memory for, does not go back so far", ErrNotRecovered)
	}
	if b.Why != nil {
		return fmt.Errorf("%w: %w", ErrNotRecovered, b.Why)
	}
	return fmt.Errorf("%w: its log is another one now, or what is known of it does not go back so far", ErrNotRecovered)
}

// errRanAway reports messages that had to go between two turns of the loop.
var errRanAway = fmt.Errorf("%w: some had to go while they were read", ErrNotRecovered)

// read reads a piece, and the next one in a later turn of the loop.
func (r *reading) read() {
	for had := r.size; !r.over && r.size-had < historyPiece; {
		_, frame, lost, ok := r.reader.Next()
		switch {
		case lost:
			r.end(errRanAway)
		case !ok:
			r.place = r.reader.Place()
			r.end(nil)
		case len(r.frames) == r.limit || r.size >= historyBytes:
			r.more = true
			r.end(nil)
		default:
			r.frames = append(r.frames, frame)
			r.size += len(frame)
		}
	}
	if !r.over {
		r.local.Post(r.read)
	}
}

// end ends the subscription, and tells why; nil when all is read.
func (r *reading) end(err error) {
	if r.over {
		return
	}
	r.over = true
	r.reader.Close()
	r.local.Unsubscribe(&r.Subscription)
	r.told <- err
}

// Deliver, Admits, Missed and Ended implement router.Outlet. What comes live is read as what is kept.
func (r *reading) Deliver(*router.Subscription, uint64, []byte) bool { return false }

// Admits implements router.Outlet.
func (r *reading) Admits(*router.Subscription, string) bool { return false }

// Missed implements router.Outlet. What is missing, the reader tells.
func (r *reading) Missed(*router.Subscription, uint32) {}

// Ended implements router.Outlet.
func (r *reading) Ended(*router.Subscription) {
	r.end(fmt.Errorf("%w: the broker does not bring it to this node any more", bus.ErrDestination))
}

// page is what was read. It is called when the reading has ended, on any goroutine.
func (r *reading) page() (p HistoryPage, err error) {
	p = HistoryPage{Messages: make([]Kept, len(r.frames)), Position: r.place, More: r.more}
	for i, frame := range r.frames {
		if p.Messages[i], err = keptOf(frame); err != nil {
			return HistoryPage{}, err
		}
	}
	if r.more {
		p.Position = p.Messages[len(p.Messages)-1].Position
	}
	return p, nil
}

// keptOf takes what is in a MESSAGE, whose memory it goes on to use.
func keptOf(frame []byte) (m Kept, err error) {
	all := len(frame) // what the gateway has written itself may be as large as it is
	d := stomp.NewDecoder(&stomp.Limits{Headers: all, Line: all, Head: all, Body: all})
	d.SetVersion(stomp.V12)
	d.Feed(frame)
	var f stomp.Frame
	if err := d.Next(&f); err != nil {
		return m, fmt.Errorf("gateway: a message that is kept can't be read: %w", err)
	}
	m.Body = f.Body
	for _, h := range f.Header {
		switch h.Name {
		case policy.HeaderPosition:
			m.Position = string(h.Value)
		case stomp.HeaderDestination, stomp.HeaderMessageID, stomp.HeaderSubscription, stomp.HeaderContentLength:
		default:
			m.Headers = append(m.Headers, bus.Header{Name: h.Name, Value: string(h.Value)})
		}
	}
	return m, nil
}
