package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Count is how many sessions have something in common.
type Count struct {
	Name     string `json:"name"` // of the node, member or transport; the member as JSON
	Sessions int    `json:"sessions"`
}

// By is what sessions are counted by.
type By string

const (
	ByNode      By = "node"
	ByMember    By = "member"
	ByTransport By = "transport"
)

// maxCounts is how many different members are counted; they take about 100 bytes of memory each.
const maxCounts = 1_000_000

// Count counts sessions, in the order of falling numbers and then of names. By node Redis counts; else all
// sessions are read, and a million different members at most. Sessions of nobody who is logged in count as
// those of null.
func (c *Cluster) Count(ctx context.Context, by By) ([]Count, error) {
	return c.count(ctx, by, maxCounts)
}

func (c *Cluster) count(ctx context.Context, by By, most int) ([]Count, error) {
	var of func(Session) string
	switch by {
	case ByNode:
		return c.countNodes(ctx)
	case ByMember:
		of = func(s Session) string { return cmp.Or(s.member(), "null") }
	case ByTransport:
		of = func(s Session) string { return s.Transport }
	default:
		return nil, fmt.Errorf("sessions can't be counted by %q: want %s, %s or %s", by, ByNode, ByMember, ByTransport)
	}
	counts := map[string]int{}
	for s, err := range c.Sessions(ctx, Filter{}, "") {
		if err != nil {
			return nil, err
		}
		name := of(s)
		if _, ok := counts[name]; !ok && len(counts) == most {
			return nil, fmt.Errorf("more than %d different ones, too many to count by %s", most, by)
		}
		counts[name]++
	}
	list := make([]Count, 0, len(counts))
	for name, n := range counts {
		list = append(list, Count{name, n})
	}
	return sortCounts(list), nil
}

func (c *Cluster) countNodes(ctx context.Context) ([]Count, error) {
	nodes, err := c.reader.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Count, len(nodes))
	for i, n := range nodes {
		list[i] = Count{n.Node, n.Sessions}
	}
	return sortCounts(list), nil
}

func sortCounts(list []Count) []Count {
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.Name, b.Name))
	})
	return list
}
