package natsbus

import (
	"sync"

	"github.com/stompgw/stompgw/bus"
)

// A server that closes the connection over a line has carried out those before it, and has not read
// those after it. It names no line. But it is one that the next connection would not take: so the
// limits that this one tells, or is found to have, show which it was. What is too large is refused and
// not written again; what stood before the first of it has been taken; what stood after it is written
// to the next connection, in its order. So nothing is lost or doubled for others by it.

// lost is what such a connection had not confirmed. Other connections that broke leave behind what
// nobody can know more of.
type lost struct {
	// Held by the confirmer while it settles, so that the writer finds all that it has not settled.
	mu sync.Mutex

	kept []unanswered // in the order in which they were written
	most int          // bytes of the largest body that the present connection's server has confirmed
}

// keep takes over an envelope, if more can become known of it.
func (l *lost) keep(u *unanswered) bool {
	if !u.conn.isOver() {
		return false
	}
	if fault, _ := u.conn.why(); fault != overPayload && fault != overLine {
		return false
	}
	l.kept = append(l.kept, *u)
	return true
}

func (l *lost) confirmed(bytes int) { l.most = max(l.most, bytes) }

// take takes out what is kept.
func (l *lost) take() []unanswered {
	kept := l.kept
	l.kept, l.most = nil, 0
	return kept
}

// any reports whether something is kept.
func (l *lost) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.kept) > 0
}

// recover settles what earlier connections had not confirmed, now that c's limits are known, and
// returns what has to be written again.
func (w *writer) recover(c *conn) (again []item) {
	w.lost.mu.Lock()
	defer w.lost.mu.Unlock()
	w.collect()
	most := w.lost.most
	kept := w.lost.take()
	first, known := w.firstTooLong(c, kept), true
	if first < 0 {
		first, known = w.largest(kept, most), false
	}
	for i := range kept {
		u := &kept[i]
		w.encode(&u.envelope)
		err := w.fits(c, &u.envelope)
		switch {
		case err != nil:
			w.out.finish(&u.item, err)
		case i > first && first >= 0:
			again = append(again, u.item)
		case known:
			w.out.finish(&u.item, w.outcome(u))
		default:
			w.out.finish(&u.item, bus.ErrUnknown)
		}
	}
	return again
}

// collect keeps, or settles, what the confirmer has not come to: it was written to connections that
// have ended.
func (w *writer) collect() {
	var watches []unanswered
	for _, u := range w.out.takeSent(nil) {
		switch {
		case u.watch != nil:
			watches = append(watches, u)
		case !w.lost.keep(&u):
			w.out.finish(&u.item, bus.ErrUnknown)
		}
	}
	w.out.again(watches)
}

// firstTooLong returns the place of the first that c does not take, or -1.
func (w *writer) firstTooLong(c *conn, kept []unanswered) int {
	for i := range kept {
		w.encode(&kept[i].envelope)
		if w.fits(c, &kept[i].envelope) != nil {
			return i
		}
	}
	return -1
}

// largest returns the place of the largest, if it is the one that a server took for too large although
// the next one has no such limit, and has it count; or -1.
func (w *writer) largest(kept []unanswered, most int) int {
	if len(kept) == 0 {
		return -1
	}
	if fault, _ := kept[0].conn.why(); fault != overPayload {
		return -1
	}
	at, size := 0, 0
	for i := range kept {
		w.encode(&kept[i].envelope)
		if wire := headerSize(w.msg.Header) + len(w.msg.Data); wire > size {
			at, size = i, wire
		}
	}
	w.hide(size, most)
	return at
}
