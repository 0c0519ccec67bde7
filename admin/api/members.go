package api

import (
	"context"
	"net/http"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/gateway/problem"
)

func (a *API) addMembers() {
	add(a, route{method: http.MethodGet, path: "/v1/members/{id}", scope: ScopeRead, name: "show-member",
		summary: "Whether a member is online, with which sessions, and whether it is kept out"}, a.showMember)
	add(a, route{method: http.MethodPut, path: "/v1/members/{id}/block", scope: ScopeOperate, name: "block-member",
		summary: "Keep a member out for a while, connected or not; sessions stay"}, a.block)
	add(a, route{method: http.MethodDelete, path: "/v1/members/{id}/block", scope: ScopeOperate, name: "unblock-member",
		summary: "Let a member in again"}, a.unblock)
	add(a, route{method: http.MethodGet, path: "/v1/blocks", scope: ScopeRead, name: "list-blocks",
		summary: "Members that are kept out, in the order in which that ends"}, a.listBlocks)
}

// MemberPath is the member that a path names.
type MemberPath struct {
	ID string `path:"id" maxLength:"1024" doc:"the member as JSON, percent-encoded: 7 or %22alice%22"`
}

func (p MemberPath) member() (m Member, err error) {
	if err := m.UnmarshalText([]byte(p.ID)); err != nil {
		return "", problem.Invalid("%v", err)
	}
	return m, nil
}

// memberState is what is known of a member.
type memberState struct {
	Member   Member          `json:"member"`
	Online   bool            `json:"online" doc:"whether it has a session"`
	Total    int             `json:"total" doc:"number of its sessions, counted up to 100,000"`
	Sessions []admin.Session `json:"sessions" nullable:"false" doc:"the first 1,000 of them"`
	Blocked  *time.Time      `json:"blocked_until" doc:"when its block ends; null if it is not blocked"`
}

func (a *API) showMember(ctx context.Context, in *MemberPath) (s memberState, err error) {
	id, err := in.member()
	if err != nil {
		return s, err
	}
	m, err := a.as(ctx).Member(ctx, string(id))
	s = memberState{Member: id, Online: m.Online, Total: m.Total, Sessions: m.Sessions}
	if m.Block != nil {
		s.Blocked = &m.Block.Until
	}
	return s, err
}

type blockRequest struct {
	MemberPath
	Body struct {
		Seconds int `json:"seconds" minimum:"1" maximum:"3153600000" doc:"how long from now"`
	} `nameHint:"Block"`
}

// blocked is a member that is kept out.
type blocked struct {
	Member Member    `json:"member"`
	Until  time.Time `json:"until"`
}

func (a *API) block(ctx context.Context, in *blockRequest) (b blocked, err error) {
	m, err := in.member()
	if err != nil {
		return b, err
	}
	d := time.Duration(in.Body.Seconds) * time.Second
	return blocked{m, time.Now().Add(d)}, a.as(ctx).Block(ctx, string(m), d)
}

type unblocked struct {
	Was bool `json:"was_blocked"`
}

func (a *API) unblock(ctx context.Context, in *MemberPath) (u unblocked, err error) {
	m, err := in.member()
	if err != nil {
		return u, err
	}
	u.Was, err = a.as(ctx).Unblock(ctx, string(m))
	return u, err
}

type blockList struct {
	Blocks []blocked `json:"blocks" nullable:"false"`
}

func (a *API) listBlocks(ctx context.Context, _ *nothing) (list blockList, err error) {
	all, err := a.as(ctx).Blocks(ctx)
	list.Blocks = make([]blocked, len(all))
	for i, b := range all {
		list.Blocks[i] = blocked{Member(b.Member), b.Until}
	}
	return list, err
}
