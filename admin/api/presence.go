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
	Destination string `query:"destination" required:"true" minLength:"1" maxLength:"8192" doc:"the room by its name, such as /topic/room.1; no pattern"`
	Count       bool   `query:"count" doc:"whether members are only counted, and not listed"`
}

// presence is who is in a room.
type presence struct {
	Destination string   `json:"destination"`
	Count       int      `json:"count" doc:"members. It is exact where they are listed; else a member with sessions on two nodes counts twice"`
	Anonymous   int      `json:"anonymous" doc:"sessions of nobody"`
	Many        bool     `json:"many" doc:"members are not listed: it was asked for their number, their rule says presence: count, or one node has more of them than presence.limit"`
	Members     []person `json:"members" nullable:"false" doc:"in the order of their ids' text"`
	Silent      []string `json:"silent_nodes" nullable:"false" doc:"nodes that did not answer, whose people are missing"`
}

// person is a member who is in a room.
type person struct {
	Member   Member `json:"member"`
	Sessions int    `json:"sessions" doc:"of the member's, in the room"`
	Since    int64  `json:"since" doc:"when the newest of these sessions came, in ms since 1970"`
	Info     any    `json:"info,omitempty" doc:"as presence_info of the rule made it for that session"`
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
