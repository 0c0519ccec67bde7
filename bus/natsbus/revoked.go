package natsbus

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
)

// A server takes back what it has permitted when it loads other permissions, at once or at the next
// connection. It drops the subscription and says so once. Then the watch has ended, and its ready
// hears why: whoever wants it asks again. The node's own subject, which Healthy depends on, is asked
// for again by keepOwn.

// maxShunned is how many subjects are remembered that a server closes the connection over.
const maxShunned = 1024

var errShunned = fmt.Errorf("%w: the NATS server closes the connection over its subject", ErrDestination)

// deny notes that the server does not permit the subscription of subject. It reports whether it had
// before, so that a watch has ended.
func (ws *watches) deny(subject string, err error) (revoked bool) {
	ws.mu.RLock()
	w := ws.bySubject[subject]
	ws.mu.RUnlock()
	return w != nil && ws.refuse(w, err)
}

// refuse notes that w brings nothing, and why. If it was granted it ends, its ready hears of it, and
// refuse returns true; else that is the answer that it waits for.
func (ws *watches) refuse(w *watch, err error) (revoked bool) {
	ws.mu.Lock()
	w.refused = err
	ready := w.ready
	revoked, tell := w.granted && ws.bySubject[w.subject] == w, w.live
	var end *nats.Subscription
	if revoked {
		end = ws.remove(w)
	}
	ws.mu.Unlock()
	unsubscribe(end)
	if revoked && tell {
		ready(err)
	}
	return revoked
}

// reset begins a connection, on which nothing is subscribed or refused yet. It returns what is to be
// subscribed, and apart from it what may be why an earlier connection was closed, the longest first.
func (ws *watches) reset() (plain, suspects []*watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.bySubject {
		ws.lost += dropped(w.sub)
		w.sub, w.proven = nil, false
		if w.fatal {
			continue
		}
		w.refused = nil
		if w.suspect {
			suspects = append(suspects, w)
		} else {
			plain = append(plain, w)
		}
	}
	slices.SortFunc(suspects, func(a, b *watch) int { return cmp.Compare(len(b.subject), len(a.subject)) })
	return plain, suspects
}

// prove notes that the connection has survived the subscriptions of list.
func (ws *watches) prove(list []*watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range list {
		w.proven, w.suspect = true, false
	}
}

// proveAll is prove for all that is subscribed.
func (ws *watches) proveAll() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.bySubject {
		w.proven = w.sub != nil
	}
}

// suspectUnproven notes that one of those that the connection had not answered to may be why it was
// closed.
func (ws *watches) suspectUnproven() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.bySubject {
		w.suspect = w.suspect || w.sub != nil && !w.proven
	}
}

// suspect notes that one of list is why the connection was closed, and returns it if it is known: the
// only one, the second time. It is not subscribed any more.
func (ws *watches) suspect(list []*watch) (fatal *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(list) == 1 && list[0].suspect {
		fatal = list[0]
		fatal.fatal = true
		if len(ws.shunned) < maxShunned {
			ws.shunned[fatal.subject] = true
		}
	}
	for _, w := range list {
		w.suspect = true
	}
	return fatal
}
