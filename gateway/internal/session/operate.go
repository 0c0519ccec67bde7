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

// Live tells of those of the sessions that the loop has.
func (h *Host) Live(ctx context.Context, ids []registry.SessionID, tell func([]registry.Live)) {
	var all []registry.Live
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

func (s *Session) live() registry.Live {
	l := registry.Live{ID: s.id, Subscribed: len(s.subs), Queued: s.conn.Queued()}
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

// Kick ends sessions, whose clients read why, and tells which of them the loop had. One whose DISCONNECT waits for the bus is
// one of them; one that is being closed is not.
func (h *Host) Kick(ctx context.Context, ids []registry.SessionID, why policy.Explanation, tell func([]registry.SessionID)) {
	var had []registry.SessionID
	inTurns(ctx, h.Local, ids, func(id registry.SessionID) {
		if s := h.session(id); s != nil {
			had = append(had, id)
			s.kick(why)
		}
	}, func() { tell(had) })
}

// kick ends the session with an ERROR behind what waits for its client. What was not committed is
// gone.
func (s *Session) kick(why policy.Explanation) {
	s.host.Stats.Kicked.Add(1)
	s.host.Log.Debug("kicked", "session", s, "code", why.Code)
	s.endWith(errorFrame{summary: why.Message, code: why.Code, detail: kickAdvice(why.Code)}, ClosePolicy, why.Word)
}

// kickAdvice says what the client's people can do.
func kickAdvice(code policy.Code) string {
	do := "Connect again if you need to, or ask whoever runs this gateway."
	if code == policy.CodeSessions {
		do = "End other sessions of this member first: a client that connects again at once may only end another."
	}
	return fmt.Sprintf("Code %d. Transactions that were not committed are gone. %s", code, do)
}
