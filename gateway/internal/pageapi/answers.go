package pageapi

import (
	"context"
	"encoding/json"

	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/problem"
	"github.com/stompgw/stompgw/gateway/registry"
)

// maxJudged is how many destinations a page of a list looks at.
const maxJudged = 1000

// list is a part of the destinations that clients have subscribed to: those that who asks may.
type list struct {
	Destinations []listed `json:"destinations"`
	Next         string   `json:"next,omitempty"` // after which the list goes on; a page may be empty, and not the last
}

// listed is one of them. The numbers are those of a room that who asks may look at, as registry.Destination has them.
type listed struct {
	Destination string `json:"destination"`
	Members     *int   `json:"members,omitempty"`
	Anonymous   *int   `json:"anonymous,omitempty"`
}

// names are what was read of a list.
type names struct {
	page []registry.Destination
	next string
}

// destinations answers which there are.
func (a *API) destinations(ctx context.Context, k *asker) ([]byte, error) {
	match := k.query["match"]
	if err := a.CheckMatch(match); err != nil {
		return nil, problem.Invalid("match: %v", err)
	}
	after, err := a.cursors.read(k.query["after"])
	if err != nil {
		return nil, err
	}
	if len(after) > maxName {
		return nil, problem.Invalid("after: it has over %d bytes", maxName)
	}
	read, err := a.kept.get(ctx, question{what: "destinations", name: match, after: after}, func() (any, int, error) {
		page, next, err := a.Source.Destinations(ctx, match, after, maxJudged)
		size := len(next)
		for _, d := range page {
			size += entryBytes + len(d.Name)
		}
		return names{page, next}, size, err
	})
	if err != nil {
		return nil, err
	}
	return a.list(ctx, k, read.(names))
}

// list takes out of what was read what who asks may subscribe to.
func (a *API) list(ctx context.Context, k *asker, read names) ([]byte, error) {
	l := list{Destinations: []listed{}}
	for _, d := range read.page {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if k.mayList(d) {
			l.Destinations = append(l.Destinations, a.listed(k, d))
		}
	}
	n := len(l.Destinations)
	l.Next = a.cursors.write(read.next, n > 0 && l.Destinations[n-1].Destination == read.next)
	return json.Marshal(l)
}

// mayList reports whether who asks may see a destination, which is one of everybody's: neither a pattern, by which somebody has subscribed, nor a member's.
func (k *asker) mayList(d registry.Destination) bool {
	if d.Pattern || k.rules.IsMember(d.Name) || k.rules.IsSession(d.Name) || k.rules.IsPresence(d.Name) {
		return false
	}
	_, refusal := k.judge(d.Name)
	return refusal == nil
}

// listed says how many are present where who asks may see that.
func (a *API) listed(k *asker, d registry.Destination) listed {
	out := listed{Destination: d.Name}
	if d.Members == nil || !a.Presence {
		return out
	}
	if of := k.rules.PresenceOf(d.Name); of != "" {
		if _, refusal := k.judge(of); refusal == nil {
			out.Members, out.Anonymous = d.Members, d.Anonymous
		}
	}
	return out
}

// room is who is present, as a subscription to that is told: of a member the id, and what presence_info shows.
type room struct {
	Destination string   `json:"destination"`
	Count       int      `json:"count"`     // members
	Anonymous   int      `json:"anonymous"` // sessions of nobody
	Many        bool     `json:"many"`      // members are too many to be listed, or are only counted
	Members     []person `json:"members"`
}

type person struct {
	Member json.RawMessage `json:"member"`
	Info   json.RawMessage `json:"info,omitempty"`
}

// presence answers who is in a room.
func (a *API) presence(ctx context.Context, k *asker) ([]byte, error) {
	name, err := k.query.destination()
	if err != nil {
		return nil, err
	}
	of := k.rules.PresenceOf(name)
	if of == "" || !a.Presence {
		return nil, refused(policy.Refuse(policy.CodeNoRule))
	}
	given, refusal := k.judge(of)
	if refusal != nil {
		return nil, refused(refusal)
	}
	counts := given.Presence == policy.PresenceCount
	return a.read(ctx, question{what: "presence", name: name, counts: counts}, func() (any, error) {
		present, err := a.Source.Present(ctx, name, counts)
		return roomOf(present), err
	})
}

func roomOf(p registry.Present) room {
	r := room{Destination: p.Destination, Count: p.Count, Anonymous: p.Anonymous, Many: p.Many, Members: make([]person, len(p.Members))}
	for i, m := range p.Members {
		r.Members[i] = person{m.Member, m.Info}
	}
	return r
}

// history answers what is kept of a destination, by the name that a client subscribes to.
func (a *API) history(ctx context.Context, k *asker) ([]byte, error) {
	name, err := k.query.destination()
	if err != nil {
		return nil, err
	}
	limit, err := k.query.limit()
	if err != nil {
		return nil, err
	}
	after := k.query["after"]
	if len(after) > maxPosition {
		return nil, problem.Invalid("after: no position of a message has over %d bytes", maxPosition)
	}
	given, refusal := k.judge(name)
	if refusal != nil {
		return nil, refused(refusal)
	}
	return a.read(ctx, question{what: "history", name: given.Destination, after: after, limit: limit}, func() (any, error) {
		return a.History(ctx, given.Destination, after, limit)
	})
}
