package session

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// What follows is for operators. It runs on the loop of the sessions, some of them in each turn, and
// tells once what it has found or done, on the loop too: early when ctx or the loop ends.

const (
	maxShown      = 100      // subscriptions of one session that an operator is shown
	maxShownBytes = 64 << 10 // of their destinations
)

// Live tells of those of the sessions that the loop has.
func (h *Host) Live(ctx context.Context, ids []registry.SessionID, tell func([]registry.Live)) {
	var all []registry.Live
	inTurns(ctx, h.Local, acts, slices.Values(ids), func(id registry.SessionID) {
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

// sessions are all sessions of the loop. Of those that begin meanwhile some may be among them.
func (h *Host) sessions() iter.Seq[*Session] {
	return func(yield func(*Session) bool) {
		for r := range h.Local.All() {
			if !yield(r.(*Session)) {
				return
			}
		}
	}
}

func (s *Session) live() registry.Live {
	l := registry.Live{ID: s.id, Subscribed: len(s.subs), Queued: s.conn.Queued()}
	bytes := 0
	for _, sub := range s.subs[:min(len(s.subs), maxShown)] {
		if bytes += len(sub.Destination); bytes > maxShownBytes {
			break
		}
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
	wanted := func(sub *subscription) bool { return sub.Destination == to }
	switch {
	case destination.IsPattern(to):
		pattern, err := destination.Parse(to)
		if err != nil { // nobody can subscribe to it
			tell(nil)
			return
		}
		wanted = func(sub *subscription) bool { return sub.Destination == to || pattern.Match(sub.Destination) }
	case !h.Rules.IsSession(to): // the router's table knows
		inTurns(ctx, h.Local, looks, h.Local.Subscribed(to), func(sub *router.Subscription) {
			if s := sessionOf(sub); s != nil {
				ids = append(ids, s.id)
			}
		}, func() { tell(ids) })
		return
	}
	inTurns(ctx, h.Local, acts, h.sessions(), func(s *Session) {
		if slices.ContainsFunc(s.subs, wanted) {
			ids = append(ids, s.id)
		}
	}, func() { tell(ids) })
}

// sessionOf returns the session that a subscription is of; nil for one that is the node's own.
func sessionOf(sub *router.Subscription) *Session {
	switch outlet := sub.Outlet.(type) {
	case *subscription:
		return outlet.session
	case *feed:
		return outlet.session
	}
	return nil
}

// Counts tells how many subscriptions there are to each of the names, which are destinations or patterns.
func (h *Host) Counts(ctx context.Context, names []string, tell func([]int)) {
	counts, n := make([]int, len(names)), 0
	inTurns(ctx, h.Local, looks, slices.Values(names), func(name string) {
		counts[n] = h.Local.Count(name)
		n++
	}, func() { tell(counts) })
}

// Kick ends sessions, whose clients read why, and tells which of them the loop had. One whose DISCONNECT waits for the bus is
// one of them; one that is being closed is not.
func (h *Host) Kick(ctx context.Context, ids []registry.SessionID, why policy.Explanation, tell func([]registry.SessionID)) {
	var had []registry.SessionID
	inTurns(ctx, h.Local, acts, slices.Values(ids), func(id registry.SessionID) {
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

// EndSubscriptions ends what sessions have subscribed to that very destination, or by that very pattern, and tells which of
// them had such. Their clients are told why as of any refusal: not those that had it of the error destination.
func (h *Host) EndSubscriptions(ctx context.Context, ids []registry.SessionID, to string, why policy.Explanation, tell func([]registry.SessionID)) {
	var had []registry.SessionID
	inTurns(ctx, h.Local, acts, slices.Values(ids), func(id registry.SessionID) {
		if s := h.session(id); s != nil && s.endSubscriptions(to, why) {
			had = append(had, id)
		}
	}, func() { tell(had) })
}

// endSubscriptions reports whether there were any.
func (s *Session) endSubscriptions(to string, why policy.Explanation) (had bool) {
	for _, sub := range slices.Clone(s.subs) {
		if (sub.Destination == to || sub.name() == to) && s.state != closed {
			s.endSubscription(sub, &policy.Refusal{Explanation: why})
			had = true
		}
	}
	return had
}

// Reload makes other rules count. It runs on the loop of the sessions, and looks at their
// subscriptions bit by bit: until all are done, some receive as the old rules had it. Then done is
// told how many ended.
func (h *Host) Reload(rules *policy.Catalogue, done func(ended int)) {
	h.Rules = rules
	ended := 0
	inTurns(context.Background(), h.Local, acts, h.sessions(), func(s *Session) { ended += s.reload() }, func() { done(ended) })
}

// IssuersSet makes other issuers count that the authenticator has. Logins lapse whose key has gone: their
// clients are told now. What was subscribed to as a member ends where the member's inbox is another now; done is told
// how many that were. It runs on the loop of the sessions.
func (h *Host) IssuersSet(done func(ended int)) {
	ended := 0
	inTurns(context.Background(), h.Local, acts, h.sessions(), func(s *Session) { ended += s.issuersSet() }, func() { done(ended) })
}

func (s *Session) issuersSet() (ended int) {
	now := s.host.Now()
	for l := range s.logins {
		s.lapse(l, now)
	}
	for _, sub := range slices.Clone(s.subs) {
		if s.state != closed && sub.strays() {
			s.endSubscription(sub, policy.Refuse(policy.CodeEnded))
			ended++
		}
	}
	s.schedule()
	return ended
}

// reload judges the subscriptions by the rules that the host has now. Those that they don't allow
// end, and the client is told which.
func (s *Session) reload() (ended int) {
	if s.work != nil {
		s.work.verdicts = nil
	}
	for _, sub := range slices.Clone(s.subs) {
		given, refusal := sub.judge(sub.name())
		if sub.strays() { // IssuersSet is on its way
			refusal = policy.Refuse(policy.CodeEnded)
		}
		switch {
		case refusal == nil:
			sub.login, sub.presence = given.Login, given.Presence
			sub.suspend(false)
			sub.attend()
		case refusal.Code == policy.CodeLogin && sub.suspended: // it waits for a renewal, as before
		default:
			s.endSubscription(sub, refusal)
			ended++
		}
		if s.state == closed {
			return ended
		}
	}
	return ended
}

// turnTime is what a turn of the loop has of a long work at most; then the loop's other work goes on. What is begun
// within it is finished.
const turnTime = time.Millisecond

// portion is how many items of a long work a turn has at most.
type portion int

const (
	acts  portion = 32   // that write to clients, or ask rules
	looks portion = 1024 // into a table
)

// inTurns calls each for all items, a part of them in every turn of the loop, and then done. If ctx or the loop ends
// before, done comes early. It runs on the loop, and so do the items.
func inTurns[T any](ctx context.Context, l *router.Local, most portion, items iter.Seq[T], each func(T), done func()) {
	next, stop := iter.Pull(items)
	var turn func()
	turn = func() {
		began := time.Now()
		for n := portion(0); n < most && ctx.Err() == nil && time.Since(began) < turnTime; n++ {
			item, more := next()
			if !more {
				done()
				return
			}
			each(item)
		}
		if ctx.Err() != nil || !l.Post(turn) {
			stop()
			done()
		}
	}
	turn()
}
