package admin

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
)

// Over says which sessions are closed when a member has too many.
type Over string

const (
	KickOldest Over = "kick-oldest"
	KickNewest Over = "kick-newest"
)

const (
	maxUnchecked  = 100_000 // members that wait to be counted; more are let be
	membersAtOnce = 256     // whose sessions are looked up before those over the limit are asked for
	maxSuspects   = 20_000  // sessions that are in memory at once, beside those of one member
)

// MemberLimit limits the sessions that one member has on all live nodes. Each node counts once one of its
// own sessions is stored in Redis, so a member's latest session is counted by a node that sees all of
// them. The oldest or the newest are closed, by the time of their CONNECT and then by key: all nodes decide
// alike. While Redis is unavailable or a node silent, more are admitted; their members are counted again
// every 30 s until that succeeds.
type MemberLimit struct {
	cluster *Cluster
	most    int
	over    Over
	log     *slog.Logger

	mu      sync.Mutex
	members map[string]struct{} // to be counted
	wake    chan struct{}       // holds one token while there may be some

	later map[string]struct{} // members to be counted again; of Run's goroutine
	again time.Duration       // how often they are

	// Counts, which metrics tell.
	kicked    atomic.Uint64 // sessions
	unchecked atomic.Uint64 // times that a member could not be counted, because Redis was away, a node silent or too many came
}

// NewMemberLimit returns a limit of most sessions, 1 or more. All nodes must have one.
func NewMemberLimit(c *Cluster, most int, over Over, log *slog.Logger) *MemberLimit {
	return &MemberLimit{cluster: c, most: most, over: over, log: log,
		members: map[string]struct{}{}, wake: make(chan struct{}, 1), later: map[string]struct{}{}, again: silenceSpared}
}

// Check makes Run count the sessions of the member of s soon. It may be called from any goroutine, and
// does not block.
func (l *MemberLimit) Check(s registry.Session) {
	if s.Member == "" {
		return
	}
	if !l.note(s.Member) {
		l.unchecked.Add(1)
		return
	}
	select {
	case l.wake <- struct{}{}:
	default: // Run has not taken the last token yet, and will see this one too
	}
}

// note reports whether there was room.
func (l *MemberLimit) note(member string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.members[member]; !ok && len(l.members) >= maxUnchecked {
		return false
	}
	l.members[member] = struct{}{}
	return true
}

// take returns some members to count.
func (l *MemberLimit) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var members []string
	for m := range l.members {
		if len(members) == membersAtOnce {
			break
		}
		members = append(members, m)
		delete(l.members, m)
	}
	return members
}

// Run counts until ctx ends.
func (l *MemberLimit) Run(ctx context.Context) error {
	again := time.NewTicker(l.again)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-again.C:
			l.retry()
		}
		for members := l.take(); len(members) > 0 && ctx.Err() == nil; members = l.take() {
			for len(members) > 0 {
				n, err := l.check(ctx, members)
				if err != nil {
					l.log.Debug("members could not be counted", "members", len(members), "err", err)
					l.postpone(members...)
					break
				}
				members = members[n:]
			}
		}
	}
}

// postpone has members counted at the next turn of the clock. Run's goroutine calls it.
func (l *MemberLimit) postpone(members ...string) {
	l.unchecked.Add(uint64(len(members)))
	for _, m := range members {
		if len(l.later) < maxUnchecked {
			l.later[m] = struct{}{}
		}
	}
}

// retry has postponed members counted now.
func (l *MemberLimit) retry() {
	for m := range l.later {
		if !l.note(m) {
			return
		}
		delete(l.later, m)
	}
}

// check counts the sessions of the first n members, as many as there is room for in memory, and ends those that are too
// many. Whom Redis can't tell of is admitted, and counted later.
func (l *MemberLimit) check(ctx context.Context, members []string) (n int, err error) {
	suspects := map[string][]Session{} // members that have too many sessions in Redis
	for size := 0; n < len(members) && size < maxSuspects; n++ {
		found, err := l.cluster.reader.Member(ctx, members[n])
		if err != nil {
			return n, err
		}
		if len(found) <= l.most {
			continue
		}
		for _, s := range found {
			suspects[members[n]] = append(suspects[members[n]], newSession(s))
		}
		size += len(found)
	}
	var excess []Session
	for member, sessions := range suspects {
		silent, err := l.cluster.askLive(ctx, sessions)
		if err != nil {
			return n, err
		}
		if len(silent) > 0 {
			l.postpone(member)
		}
		// Redis also knows those that have just ended, and those of nodes that have just died: a client that is
		// back would count twice, and cost its member another session.
		sessions = slices.DeleteFunc(sessions, func(s Session) bool { return s.Live == nil })
		excess = append(excess, l.excess(sessions)...)
	}
	for r, err := range l.cluster.Kick(ctx, Walk(excess), Kick{Kick: gateway.Kick{Code: policy.CodeSessions}}) {
		if err != nil {
			return n, err
		}
		if r.Outcome == Kicked {
			l.kicked.Add(1)
		}
	}
	return n, nil
}

// excess returns the sessions of one member that are too many.
func (l *MemberLimit) excess(sessions []Session) []Session {
	slices.SortFunc(sessions, func(a, b Session) int {
		return cmp.Or(a.ConnectedAt.Compare(*b.ConnectedAt), cmp.Compare(a.Key, b.Key))
	})
	n := max(len(sessions)-l.most, 0)
	if l.over == KickNewest {
		return sessions[len(sessions)-n:]
	}
	return sessions[:n]
}
