package natsbus

import (
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

// A server takes back what it has permitted when it loads other permissions, at once or at the next
// connection. It drops the subscription and says so once, and nobody waits for that word. So what
// is watched is asked for again until it is granted: by the writer each second, and the node's own
// subject, which Healthy depends on, by keepOwn.

// renewal is how long after the server refused a subscription it is asked again.
const renewal = time.Second

// deny notes that the server does not permit the subscription of subject. revoked is how many
// subscriptions wait to be granted again, or 0 if this one is new and its ready will hear of it, or
// is gone.
func (ws *watches) deny(subject string, now time.Time) (revoked int) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := ws.bySubject[subject]
	if w == nil {
		return 0
	}
	if !w.granted {
		w.refused = true
		return 0
	}
	if !w.revoked {
		w.revoked = true
		ws.noteRevoked(w, now)
	}
	return max(1, len(ws.revoked))
}

func (ws *watches) noteRevoked(w *watch, now time.Time) {
	if w.subject == ws.own {
		ws.ownDenied = true
		signal(ws.ownRevoked)
		return
	}
	if len(ws.revoked) == 0 {
		ws.renew = now.Add(renewal)
	}
	ws.revoked = append(ws.revoked, w)
}

// renewals takes out the watches to ask the server for again at now, and returns when to call it
// again; zero is after the next deny. It is at most a chunk each second, as for each refusal nats.go
// goes through all subscriptions.
func (ws *watches) renewals(now time.Time) (due []*watch, next time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.revoked) == 0 {
		return nil, time.Time{}
	}
	if ws.renew.After(now) {
		return nil, ws.renew
	}
	n := min(len(ws.revoked), chunk)
	for _, w := range ws.revoked[:n] {
		if w.live && ws.bySubject[w.subject] == w { // else the next Watch asks
			due = append(due, w)
		}
	}
	ws.revoked = slices.Delete(ws.revoked, 0, n)
	if len(ws.revoked) == 0 {
		return due, time.Time{}
	}
	ws.renew = now.Add(renewal)
	return due, ws.renew
}

// stale reports whether w has to be subscribed, at first or again, and returns the subscription to
// be ended before. It runs before the server is asked, so that the answer can be told from the last.
func (ws *watches) stale(w *watch) (old *nats.Subscription, stale bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w.sub != nil && !w.revoked {
		return nil, false
	}
	old, w.sub, w.revoked = w.sub, nil, false
	ws.lost += dropped(old)
	return old, true
}

// reset forgets what an earlier connection was refused: nats.go asks the next one for all of it.
func (ws *watches) reset() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.bySubject {
		w.refused, w.revoked = false, false
	}
	ws.revoked = nil
}

// isOwnDenied reports whether the server, when it last spoke of it, did not permit the node's own
// subject.
func (ws *watches) isOwnDenied() bool {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	return ws.ownDenied
}
