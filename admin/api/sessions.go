package api

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/problem"
)

func (a *API) addSessions() {
	add(a, route{method: http.MethodGet, path: "/v1/sessions", scope: ScopeRead, name: "list-sessions",
		summary: "Sessions of all live nodes"}, a.listSessions)
	add(a, route{method: http.MethodGet, path: "/v1/sessions/{id}", scope: ScopeRead, name: "show-session",
		summary: "One session, with its subscriptions"}, a.showSession)
	add(a, route{method: http.MethodDelete, path: "/v1/sessions/{id}", scope: ScopeOperate, name: "end-session",
		summary: "End one session"}, a.endSession)
	add(a, route{method: http.MethodPost, path: "/v1/sessions/kick", scope: ScopeOperate, name: "kick-sessions",
		summary: "End sessions, and keep their members out for a while"}, a.kick)
	add(a, route{method: http.MethodPost, path: "/v1/subscriptions/end", scope: ScopeOperate, name: "end-subscriptions",
		summary: "End what a session, or a member's, have subscribed to; clients are told code 18"}, a.endSubscriptions)
}

// Narrowing says which sessions are meant, apart from whose. It is exported for huma, which only sees exported embedded
// structs; so are the next.
type Narrowing struct {
	Destination string `query:"destination" json:"destination,omitempty" minLength:"1" maxLength:"8192" doc:"subscribed to this destination, or to anything that this pattern matches"`
	Node        string `query:"node" json:"node,omitempty" minLength:"1" maxLength:"200" doc:"on this node: its name, host or UUID, or a beginning of the name or UUID"`
	Transport   string `query:"transport" json:"transport,omitempty" minLength:"1" maxLength:"50" doc:"over this transport, such as websocket or tcp"`
}

func (n Narrowing) filter(m Member) admin.Filter {
	return admin.Filter{Member: string(m), Destination: n.Destination, Node: n.Node, Transport: n.Transport}
}

type sessionsQuery struct {
	Member string `query:"member" maxLength:"1024" doc:"of this member, as JSON"`
	Narrowing
	Older  int    `query:"older_seconds" minimum:"0" maximum:"3153600000" doc:"connected for at least this long"`
	Live   bool   `query:"live" default:"true" doc:"also ask the nodes for what Redis does not know"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"cursor of the previous page, with the same filters"`
}

// sessionPage is a page of a list of sessions.
type sessionPage struct {
	Sessions []admin.Session `json:"sessions" nullable:"false"`
	Cursor   string          `json:"cursor,omitempty" doc:"cursor of the next page; missing on the last one"`
	Silent   []string        `json:"silent_nodes" nullable:"false" doc:"nodes that did not answer; their sessions or details may be missing"`
}

func (a *API) listSessions(ctx context.Context, q *sessionsQuery) (p sessionPage, err error) {
	var member Member
	if q.Member != "" {
		if err := member.UnmarshalText([]byte(q.Member)); err != nil {
			return p, problem.Invalid("member: %v", err)
		}
	}
	f := q.filter(member)
	f.Older = time.Duration(q.Older) * time.Second
	cluster := a.as(ctx)
	p.Sessions, p.Cursor, err = firstOf(cluster.Sessions(ctx, f, q.Cursor), q.Limit)
	if err == nil && q.Live {
		err = cluster.AskLive(ctx, p.Sessions)
	}
	p.Silent = orEmpty(cluster.Silent())
	return p, err
}

// firstOf returns the first sessions of a walk, and the cursor behind them where there are more.
func firstOf(walk iter.Seq2[admin.Session, error], n int) (list []admin.Session, cursor string, err error) {
	list = []admin.Session{}
	for s, err := range walk {
		switch {
		case err != nil:
			return nil, "", err
		case len(list) == n:
			return list, cursor, nil
		}
		cursor, s.Cursor = s.Cursor, ""
		list = append(list, s)
	}
	return list, "", nil
}

// orEmpty is a list that is one in JSON too.
func orEmpty[T any](list []T) []T { return append([]T{}, list...) }

// SessionPath is the session that a path names.
type SessionPath struct {
	ID string `path:"id" maxLength:"200" doc:"its short id, such as d0b6fbca-5"`
}

func (a *API) showSession(ctx context.Context, in *SessionPath) (admin.Session, error) {
	cluster := a.as(ctx)
	s, err := cluster.Find(ctx, in.ID)
	if err != nil {
		return s, err
	}
	one := []admin.Session{s}
	err = cluster.AskLive(ctx, one)
	return one[0], err
}

// Told is what the clients of ended sessions are told.
type Told struct {
	Reason string `query:"reason" json:"reason,omitempty" maxLength:"200" doc:"one line that the clients are told; default: the code's text"`
	Code   int    `query:"code" json:"code,omitempty" minimum:"0" doc:"code for the clients' programs: one that stompgw explain lists, or your own from 1000; default 15, kicked"`
}

func (t Told) kick() (k gateway.Kick, err error) {
	k.Reason = t.Reason
	if t.Code != 0 {
		if k.Code, err = admin.ParseCode(strconv.Itoa(t.Code)); err != nil {
			return k, problem.Invalid("code: %v", err)
		}
	}
	if err := k.Check(); err != nil {
		return k, problem.Invalid("%v", err)
	}
	return k, nil
}

// kicked is what became of sessions that were to end.
type kicked struct {
	Kicked int `json:"kicked" doc:"sessions that were ended"`
	Gone   int `json:"gone" doc:"sessions that had already ended"`
	Silent int `json:"silent" doc:"sessions of nodes that did not answer; they may have ended or not"`
}

type endRequest struct {
	SessionPath
	Told
}

func (a *API) endSession(ctx context.Context, in *endRequest) (kicked, error) {
	return a.kick(ctx, &kickRequest{kickBody{Session: in.ID, Told: in.Told}})
}

type kickBody struct {
	Session string `json:"session,omitempty" maxLength:"200" doc:"only this session"`
	Member  Member `json:"member,omitempty" doc:"only this member's sessions"`
	All     bool   `json:"all,omitempty" doc:"all sessions; needed without session, member or destination"`
	Narrowing
	Told
	Block int `json:"block_seconds,omitempty" minimum:"0" maximum:"3153600000" doc:"how long their members can't connect; with member it is blocked even without a session"`
}

type kickRequest struct{ Body kickBody }

func (a *API) kick(ctx context.Context, in *kickRequest) (k kicked, err error) {
	b := in.Body
	how, err := b.kick()
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return k, err
	}
	cluster := a.as(ctx)
	sessions, whom, err := whose(ctx, cluster, b.Session, b.filter(b.Member))
	if err != nil {
		return k, err
	}
	block := time.Duration(b.Block) * time.Second
	n, err := tally(cluster.Kick(ctx, sessions, admin.Kick{Kick: how, Block: block, Whom: whom}))
	k = kicked{n[admin.Kicked], n[admin.Gone], n[admin.Silent]}
	if err == nil && k == (kicked{}) && block > 0 && b.Member != "" {
		err = cluster.Block(ctx, string(b.Member), block)
	}
	return k, err
}

// check holds that it is said once, and not by accident, whose sessions end.
func (b *kickBody) check() error {
	said := 0
	for _, is := range []bool{b.Session != "", b.Member != "", b.Destination != "", b.All} {
		if is {
			said++
		}
	}
	switch {
	case said != 1:
		return problem.Invalid("whose sessions? Say one of session, member, destination, or all: true")
	case b.Session != "" && (b.Node != "" || b.Transport != ""):
		return problem.Invalid("session says it all: leave node and transport out")
	}
	return nil
}

// whose returns the sessions that a request means, that of a name or else those of a filter, and says so in words for the logs of the
// nodes.
func whose(ctx context.Context, cluster *admin.Cluster, session string, f admin.Filter) (sessions iter.Seq2[admin.Session, error], whom string, err error) {
	if session == "" {
		return cluster.Sessions(ctx, f, ""), cmp.Or(f.String(), "all"), nil
	}
	s, err := cluster.Find(ctx, session)
	return admin.Walk([]admin.Session{s}), "session " + s.Short, err
}

// tally counts what became of sessions. Where that is an error, it says how far it came.
func tally(results iter.Seq2[admin.Result, error]) (count map[admin.Outcome]int, err error) {
	count = map[admin.Outcome]int{}
	for r, err := range results {
		switch {
		case err != nil && len(count) > 0:
			return count, fmt.Errorf("%w; until then: %v", err, count)
		case err != nil:
			return count, err
		}
		count[r.Outcome]++
	}
	return count, nil
}

type endingRequest struct {
	Body struct {
		Session     string `json:"session,omitempty" maxLength:"200" doc:"subscriptions of this session"`
		Member      Member `json:"member,omitempty" doc:"subscriptions of all this member's sessions"`
		Destination string `json:"destination" minLength:"1" maxLength:"8192" doc:"the exact destination, or the pattern as subscribed to"`
		Reason      string `json:"reason,omitempty" maxLength:"200" doc:"one line that the clients are told"`
	} `nameHint:"Ending"`
}

// ended is what became of subscriptions that were to end.
type ended struct {
	Ended         int `json:"ended" doc:"sessions that had such subscriptions"`
	NotSubscribed int `json:"not_subscribed" doc:"sessions that had none, or had already ended"`
	Silent        int `json:"silent" doc:"sessions of nodes that did not answer; their subscriptions may have ended or not"`
}

func (a *API) endSubscriptions(ctx context.Context, in *endingRequest) (e ended, err error) {
	b, cluster := in.Body, a.as(ctx)
	if (b.Session == "") == (b.Member == "") {
		return e, problem.Invalid("whose subscriptions? Say session or member")
	}
	if err := gateway.CheckReason(b.Reason); err != nil {
		return e, problem.Invalid("reason: %v", err)
	}
	sessions, whom, err := whose(ctx, cluster, b.Session, admin.Filter{Member: string(b.Member)})
	if err != nil {
		return e, err
	}
	n, err := tally(cluster.EndSubscriptions(ctx, sessions, admin.Ending{Destination: b.Destination, Reason: b.Reason, Whom: whom}))
	return ended{n[admin.Ended], n[admin.NotSubscribed], n[admin.Silent]}, err
}
