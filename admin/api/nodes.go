package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/gateway/problem"
	"github.com/stompgw/stompgw/gateway/registry"
)

func (a *API) addNodes() {
	add(a, route{method: http.MethodGet, path: "/v1/nodes", scope: ScopeRead, name: "list-nodes",
		summary: "Live nodes, in the order of their starts"}, a.listNodes)
	add(a, route{method: http.MethodGet, path: "/v1/destinations", scope: ScopeRead, name: "list-destinations",
		summary: "What clients of all nodes have subscribed to, in the order of the names"}, a.listDestinations)
	add(a, route{method: http.MethodPost, path: "/v1/nodes/{id}/drain", scope: ScopeOperate, name: "drain-node",
		summary: "Make a node let its sessions go, and end"}, a.drain)
}

type nodeList struct {
	Nodes []admin.Node `json:"nodes" nullable:"false"`
}

func (a *API) listNodes(ctx context.Context, _ *nothing) (list nodeList, err error) {
	list.Nodes, err = a.as(ctx).Nodes(ctx)
	return list, err
}

type nodePath struct {
	ID string `path:"id" maxLength:"100" doc:"its UUID, or its id in the list of nodes"`
}

type drained struct {
	Sessions int `json:"sessions" doc:"number of sessions that it had"`
}

type destinationsQuery struct {
	Match  string `query:"match" maxLength:"8192" doc:"only destinations that match this pattern or name"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"1000"`
	Cursor string `query:"cursor" maxLength:"8192" doc:"cursor of the previous page, with the same match"`
}

type destinationPage struct {
	Destinations []registry.Destination `json:"destinations" nullable:"false" doc:"rooms also have the number of members and anonymous sessions present; a member on two nodes counts twice"`
	Cursor       string                 `json:"cursor,omitempty" doc:"cursor of the next page; missing on the last one"`
	Silent       []string               `json:"silent_nodes" nullable:"false" doc:"nodes that did not answer; their subscribers and members are not counted"`
}

func (a *API) listDestinations(ctx context.Context, q *destinationsQuery) (p destinationPage, err error) {
	cluster := a.as(ctx)
	p.Destinations, p.Cursor, err = cluster.Destinations(ctx, q.Match, q.Cursor, q.Limit)
	p.Destinations, p.Silent = orEmpty(p.Destinations), orEmpty(cluster.Silent())
	return p, err
}

// drain does not take the beginning of a name, which may come to mean another node.
func (a *API) drain(ctx context.Context, in *nodePath) (d drained, err error) {
	cluster := a.as(ctx)
	node, err := cluster.FindNode(ctx, in.ID)
	if err != nil {
		return d, err
	}
	if _, uuid, _ := strings.Cut(node.Name, "/"); uuid != in.ID && node.Short != in.ID {
		return d, problem.New(http.StatusNotFound, "%s is no UUID of a node: want that, which is what its name ends with, or its id in the list", in.ID)
	}
	d.Sessions, err = cluster.Drain(ctx, node.Name)
	return d, err
}
