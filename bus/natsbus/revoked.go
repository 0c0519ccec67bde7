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

// reset begins a connection, on which nothing is subscribed or refused yet; last is the one that was
// subscribed on before, nil for none, and blame that it was closed over a line. It returns what is to be subscribed: first what was granted, the node's own subject ahead, then
// what was not; and apart from it what may be why an earlier connection was closed, the longest first.
func (ws *watches) reset(last *conn, blame bool) (plain, suspects []*watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	var asked []*watch
	for _, w := range ws.bySubject {
		if w.sub != nil {
			w.suspect = w.number > last.answered.Load() && (w.suspect || blame)
		}
		ws.lost += dropped(w.sub)
		w.sub = nil
		switch {
		case w.fatal:
			continue
		case w.suspect:
			suspects = append(suspects, w)
		case w.destination == "":
			plain = slices.Insert(plain, 0, w)
		case w.granted:
			plain = append(plain, w)
		default:
			asked = append(asked, w)
		}
		w.refused = nil
	}
	slices.SortFunc(suspects, func(a, b *watch) int { return cmp.Compare(len(b.subject), len(a.subject)) })
	return append(plain, asked...), suspects
}

// suspect notes that one of list is why the connection was closed, and no other one. It returns it if it
// is known: the only one, the second time. It is not subscribed any more.
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
	for _, w := range ws.bySubject {
		w.suspect = false
	}
	for _, w := range list {
		w.suspect = true
	}
	return fatal
}
