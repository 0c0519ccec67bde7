package api

import (
	"context"
	"net/http"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/gateway/problem"
	"github.com/stompgw/stompgw/gateway/registry"
)

// maxLists are how many lists of who is present are made and written at a time: each may have some MiB.
const maxLists = 8

func (a *API) addPresence() {
	add(a, route{method: http.MethodGet, path: "/v1/presence", scope: ScopeRead, name: "show-presence",
		summary: "Who is present in a room, on all nodes, or how many are",
		few:     atMost(maxLists, "lists of who is present")}, a.showPresence)
}

type presenceQuery struct {
	Destination string `query:"destination" required:"true" minLength:"1" maxLength:"8192" doc:"name of the room, such as /topic/room.1; not a pattern"`
	Count       bool   `query:"count" doc:"only count members, don't list them"`
}

// presence is who is in a room.
type presence struct {
	Destination string   `json:"destination"`
	Count       int      `json:"count" doc:"number of members; exact if they are listed, else a member with sessions on two nodes counts twice"`
	Anonymous   int      `json:"anonymous" doc:"number of sessions that are not logged in"`
	Many        bool     `json:"many" doc:"members are not listed: the request asked to count, the rule has presence: count, or one node has more members than presence.limit"`
	Members     []person `json:"members" nullable:"false" doc:"members in order of their ids as text"`
	Silent      []string `json:"silent_nodes" nullable:"false" doc:"nodes that did not answer; their members are missing"`
}

// person is a member who is in a room.
type person struct {
	Member   Member `json:"member"`
	Sessions int    `json:"sessions" doc:"number of the member's sessions in the room"`
	Since    int64  `json:"since" doc:"when the newest of these sessions subscribed, in ms since 1970"`
	Info     any    `json:"info,omitempty" doc:"what the rule's presence_info gave for that session"`
}

func (a *API) showPresence(ctx context.Context, q *presenceQuery) (p presence, err error) {
	if err := admin.CheckRoom(q.Destination); err != nil {
		return p, err
	}
	if !a.node.Rules().HasPresence(q.Destination) {
		return p, problem.New(http.StatusNotFound, "nobody knows who is there: the channel that is about the destination has no presence in the configuration")
	}
	cluster := a.as(ctx)
	all, err := cluster.Present(ctx, q.Destination, q.Count)
	p = presence{Destination: all.Destination, Count: all.Count, Anonymous: all.Anonymous, Many: all.Many, Silent: orEmpty(cluster.Silent())}
	p.Members = make([]person, len(all.Members))
	for i, m := range all.Members {
		p.Members[i] = newPerson(m)
	}
	return p, err
}

func newPerson(m registry.Person) person {
	p := person{Member: Member(m.Member), Sessions: m.Sessions, Since: m.Since}
	if len(m.Info) > 0 {
		p.Info = m.Info
	}
	return p
}
