package session

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// A subscription to a destination with history begins where its client has been, or with the last messages, or now. It reads
// what the node has kept up to the end. What comes live meanwhile is kept by the node as well, and is read there; at the end of it the
// subscription goes on with what comes live. While its login has lapsed nothing is for it, and then it begins where it was.
//
// What all subscriptions of a session have to read goes to the client in turns, a piece of it whenever he has taken the last one, so that
// however much that is, it does not count for limits.outbound.

const (
	// piece is how many bytes are read at a time, less where limits.outbound is small.
	piece = 64 << 10

	// maxAway and maxLast are what a client's headers say at most.
	maxAway = 365 * 24 * time.Hour
	maxLast = 10_000

	// maxRecalls is how many subscriptions of a session may wait at a time to hear where they begin: the bus has room for so many of all sessions
	// together. One with more is not read on meanwhile, so that a client can't take that room from others, and loses nothing.
	maxRecalls = 100
)

// feed is the outlet of a subscription to a destination with history.
type feed struct {
	*subscription
	reader *router.Reader // nil: it has come to the end, or has not begun
	next   *unread        // what the reader has brought, and has no room yet; nil for nothing
	after  uint64         // what is delivered up to this number is not for it, or it had it
	place  string         // where it stood when it began, or was suspended
	again  int            // how often it has begun anew; what is told of an earlier time counts no more
	due    bool           // it is to go on where it stood, when others of its session have begun
}

// unread is a MESSAGE on its way to the client.
type unread struct {
	seq    uint64
	packed []byte
}

// notYet is the after of a subscription that takes nothing live.
const notYet = math.MaxUint64

// wantOf reads what SUBSCRIBE asks for of the past. What can't be read is not asked for: clients send these headers by themselves.
func wantOf(f *stomp.Frame) (w router.Want) {
	resume, _ := f.Header.Get("resume")
	w.Resume = string(resume)
	w.Last = int(numberIn(f, "history", maxLast))
	w.Away = time.Duration(numberIn(f, "away", maxAway.Milliseconds())) * time.Millisecond
	return w
}

// numberIn returns the number in a header, most if it is more, and 0 if it is none.
func numberIn(f *stomp.Frame, name string, most int64) int64 {
	value, ok := f.Header.Get(name)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(string(value), 10, 63)
	if err != nil {
		return 0
	}
	return min(int64(n), most)
}

// follow subscribes to a destination with history.
func (s *Session) follow(sub *subscription, o origin, want router.Want) {
	sub.Outlet = &feed{subscription: sub, after: notYet}
	s.busy().recalls++
	s.host.Local.Follow(&sub.Subscription, want, func(b router.Beginning, err error) {
		s.entered(sub, o, want, b, err)
		s.recalled()
	})
	if s.recallsEnough() {
		s.pause()
	}
}

func (s *Session) recallsEnough() bool { return s.work != nil && s.work.recalls >= maxRecalls }

// recalled makes room for others: a beginning was found, or can't be.
func (s *Session) recalled() {
	if s.state == closed {
		return
	}
	s.work.recalls--
	if i := slices.IndexFunc(s.subs, (*subscription).isDue); i >= 0 {
		s.subs[i].Outlet.(*feed).goOn()
	}
	s.goOn()
}

// isDue reports whether a subscription is to go on where it stood.
func (sub *subscription) isDue() bool {
	f, ok := sub.Outlet.(*feed)
	return ok && f.due
}

// answer answers a SUBSCRIBE. Then comes what it has asked for, and what has come since.
func (s *Session) answer(sub *subscription, o origin, want router.Want, b router.Beginning) {
	var told []bus.Header
	if want.Resume != "" {
		told = append(told, bus.Header{Name: "recovered", Value: strconv.FormatBool(b.Recovered)})
		s.host.Stats.Resumed[b.Lack].Add(1)
	}
	if want.Resume != "" || want.Last > 0 {
		told = append(told, bus.Header{Name: "replayed", Value: strconv.Itoa(b.Replayed)})
	}
	if b.Place != "" {
		told = append(told, bus.Header{Name: policy.HeaderPosition, Value: b.Place})
	}
	s.receipt(o.receipt, told...)
	if want.Resume != "" && !b.Recovered && o.receipt == "" {
		s.note(o, policy.Refuse(policy.CodeNotRecovered))
	}
	if f, ok := sub.Outlet.(*feed); ok {
		f.start(b)
	}
}

// start has the subscription read from its beginning on.
func (f *feed) start(b router.Beginning) {
	f.reader, f.place = b.Reader, b.Place
	if f.suspended { // its login has lapsed meanwhile
		f.stop()
		return
	}
	f.session.read()
}

// read sends what the session's subscriptions have to read, by turns, until it is a piece; and goes on when the client has taken that.
func (s *Session) read() {
	if s.busy().draining {
		return
	}
	limit := min(piece, s.host.Outbound/2)
	for more := true; more; {
		more = false
		for _, sub := range s.subs {
			f, ok := sub.Outlet.(*feed)
			if !ok || !f.fill() {
				continue
			}
			if queued := s.conn.Queued(); queued >= limit || queued > 0 && queued+len(f.next.packed) > s.host.Outbound {
				s.work.draining = true
				s.conn.AwaitDrain()
				return
			}
			f.send()
			more = true
		}
	}
}

// fill has the next message that is to be read at hand, and reports whether there is one that may leave. At the end the subscription
// goes on with what comes live.
func (f *feed) fill() bool {
	if f.next != nil || f.reader == nil {
		return f.next != nil && !f.window.isFull()
	}
	seq, packed, lost, ok := f.reader.Next()
	if lost {
		f.session.note(origin{destination: f.name()}, policy.Refuse(policy.CodeHole))
	}
	if !ok {
		f.after, f.reader = f.reader.Latest(), nil
		return false
	}
	f.next = &unread{seq, packed}
	return !f.window.isFull()
}

func (f *feed) send() {
	f.session.host.Stats.Replayed.Add(1)
	if f.subscription.Deliver(&f.Subscription, f.next.seq, f.next.packed) {
		f.session.host.Local.Replayed()
	}
	f.next = nil
}

// Drained tells that the client has taken all that was queued.
func (s *Session) Drained() {
	if s.state != closed {
		s.busy().draining = false
		s.read()
	}
}

// Deliver implements router.Outlet.
func (f *feed) Deliver(_ *router.Subscription, seq uint64, packed []byte) bool {
	switch {
	case f.suspended:
		f.session.host.Stats.Withheld.Add(1)
	case seq > f.after:
		f.after = seq
		return f.subscription.Deliver(&f.Subscription, seq, packed)
	}
	return false
}

// Missed implements router.Outlet.
func (sub *subscription) Missed(_ *router.Subscription, event uint32) {
	told := event != 0 && sub.event == event
	if !told && sub.entering == nil && !sub.suspended && sub.isThere() {
		sub.event = event
		sub.session.note(origin{destination: sub.name()}, policy.Refuse(policy.CodeHole))
	}
}

// isThere reports whether the session still has the subscription, which one that is closed has not.
func (sub *subscription) isThere() bool { return slices.Contains(sub.session.subs, sub) }

// suspend has the subscription receive nothing, or again what it may. One with history goes on where it was.
func (sub *subscription) suspend(suspended bool) {
	was := sub.suspended
	sub.suspended = suspended
	f, ok := sub.Outlet.(*feed)
	switch {
	case !ok || was == suspended || sub.entering != nil:
	case suspended:
		f.stop()
	default:
		f.goOn()
	}
}

// stop has the subscription take nothing, and notes where it stands: empty if that is not known.
func (f *feed) stop() {
	switch {
	case f.next != nil:
		f.place = f.reader.Prior()
	case f.reader != nil:
		f.place = f.reader.Place()
	case f.after != notYet:
		if place, ok := f.session.host.Local.PlaceAfter(&f.Subscription, f.after); place != "" || !ok {
			f.place = place
		}
	}
	f.end()
	f.after = notYet
}

// end ends the reading.
func (f *feed) end() {
	f.reader.Close()
	f.reader, f.next, f.due = nil, nil, false
	f.again++
}

// goOn has the subscription begin where it stood, in its turn.
func (f *feed) goOn() {
	s, again := f.session, f.again
	if f.due = s.recallsEnough(); f.due {
		return
	}
	s.busy().recalls++
	s.host.Local.Resume(&f.Subscription, router.Want{Resume: f.place}, func(b router.Beginning) {
		defer s.recalled()
		if !f.isThere() || f.again != again {
			b.Reader.Close()
			return
		}
		if !b.Recovered {
			s.note(origin{destination: f.name()}, policy.Refuse(policy.CodeHole))
		}
		f.start(b)
	})
}
