package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// What follows is for operators. It runs on the loop of the sessions, some of them in each turn, and
// tells once what it has found or done, on the loop too: early when ctx or the loop ends.

// maxShown is how many subscriptions of one session an operator is shown.
const maxShown = 100

// Live is what an operator is told of a session.
type Live struct {
	ID            registry.SessionID
	Subscriptions []string // in the order of SUBSCRIBE, maxShown at most
	Subscribed    int
	Queued        int // bytes that wait for the client, or for it to acknowledge others
}

// Live tells of those of the sessions that the loop has.
func (h *Host) Live(ctx context.Context, ids []registry.SessionID, tell func([]Live)) {
	var all []Live
	inTurns(ctx, h.Local, ids, func(id registry.SessionID) {
		if s := h.session(id); s != nil {
			all = append(all, s.live())
		}
	}, func() { tell(all) })
}

// session returns the session of an id, nil if the loop has none.
func (h *Host) session(id registry.SessionID) *Session {
	s, _ := h.Local.Recipient(id).(*Session)
	return s
}

// sessions returns all sessions of the loop.
func (h *Host) sessions() []*Session {
	all := make([]*Session, 0, h.Local.Len())
	h.Local.Each(func(r router.Recipient) { all = append(all, r.(*Session)) })
	return all
}

func (s *Session) live() Live {
	l := Live{ID: s.id, Subscribed: len(s.subs), Queued: s.conn.Queued()}
	for _, sub := range s.subs[:min(len(s.subs), maxShown)] {
		l.Subscriptions = append(l.Subscriptions, sub.Destination)
	}
	if s.work != nil {
		l.Queued += s.work.held
	}
	return l
}

// Subscribers tells which sessions have a subscription to a destination, or to anything that a pattern
// matches, such as the pattern itself; one that has several may come as often.
func (h *Host) Subscribers(ctx context.Context, to string, tell func([]registry.SessionID)) {
	var ids []registry.SessionID
	if destination.IsPattern(to) {
		pattern, err := destination.Parse(to)
		if err != nil { // nobody can subscribe to it
			tell(nil)
			return
		}
		inTurns(ctx, h.Local, h.sessions(), func(s *Session) {
			if slices.ContainsFunc(s.subs, func(sub *subscription) bool { return sub.Destination == to || pattern.Match(sub.Destination) }) {
				ids = append(ids, s.id)
			}
		}, func() { tell(ids) })
		return
	}
	if !h.Rules.IsSession(to) {
		// In one turn: a message to them takes longer.
		h.Local.Subscribed(to, func(sub *router.Subscription) {
			ids = append(ids, sub.Outlet.(*subscription).session.id)
		})
		tell(ids)
		return
	}
	inTurns(ctx, h.Local, h.sessions(), func(s *Session) { // the router's table does not know these
		if s.subscribedTo(to) != nil {
			ids = append(ids, s.id)
		}
	}, func() { tell(ids) })
}

// Kick is what the client of a session is told that an operator ends.
type Kick struct {
	Reason string // one line
	Code   policy.Code
	Word   string // of the code
}

// Kick ends sessions, and tells which of them the loop had. One whose DISCONNECT waits for the bus is
// one of them; one that is being closed is not.
func (h *Host) Kick(ctx context.Context, ids []registry.SessionID, k Kick, tell func([]registry.SessionID)) {
	var had []registry.SessionID
	inTurns(ctx, h.Local, ids, func(id registry.SessionID) {
		if s := h.session(id); s != nil {
			had = append(had, id)
			s.kick(k)
		}
	}, func() { tell(had) })
}

// kick ends the session with an ERROR behind what waits for its client. What was not committed is
// gone.
func (s *Session) kick(k Kick) {
	s.host.Stats.Kicked.Add(1)
	s.host.Log.Debug("kicked", "session", s, "code", k.Code)
	s.sendError(errorFrame{summary: k.Reason, code: k.Code, detail: k.advice()})
	s.end(ClosePolicy, k.Word)
}

// advice says what the client's people can do.
func (k Kick) advice() string {
	do := "Connect again if you need to, or ask whoever runs this gateway."
	if k.Code == policy.CodeSessions {
		do = "End other sessions of this member first: a client that connects again at once may only end another."
	}
	return fmt.Sprintf("Code %d. Transactions that were not committed are gone. %s", k.Code, do)
}
