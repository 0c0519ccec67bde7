package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Count says how many sessions have something in common.
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

// Count counts sessions, ordered by falling numbers and then by name. By node, Redis counts; otherwise all
// sessions are read, with at most a million different members. Sessions without a login count as those of
// null.
func (c *Cluster) Count(ctx context.Context, by By) ([]Count, error) {
	return c.count(ctx, by, maxCounts)
}

func (c *Cluster) count(ctx context.Context, by By, most int) ([]Count, error) {
	of, walked := map[By]func(Session) string{
		ByMember:    func(s Session) string { return cmp.Or(s.member(), "null") },
		ByTransport: func(s Session) string { return s.Transport },
	}[by]
	counts := map[string]int{}
	switch {
	case by == ByNode:
		nodes, err := c.reader.Nodes(ctx)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			counts[n.Node] = n.Sessions
		}
	case !walked:
		return nil, fmt.Errorf("sessions can't be counted by %q: want %s, %s or %s", by, ByNode, ByMember, ByTransport)
	default:
		for s, err := range c.Sessions(ctx, Filter{}, "") {
			if err != nil {
				return nil, err
			}
			if counts[of(s)]++; len(counts) > most {
				return nil, fmt.Errorf("more than %d different ones, too many to count by %s", most, by)
			}
		}
	}
	list := make([]Count, 0, len(counts))
	for name, n := range counts {
		list = append(list, Count{name, n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}
