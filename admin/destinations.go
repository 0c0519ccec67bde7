package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/registry"
)

// ErrPage reports a request for destinations that makes no sense: a match that nobody could subscribe with, a number
// that is out of range, or an after that is too long.
var ErrPage = errors.New("no such page of destinations")

// Destinations returns the destinations and patterns that clients of any node have subscribed to, in the order of their names,
// with the number of subscriptions on all nodes: the first ones behind after, limit at most, which is 1 to
// gateway.MaxDestinations. next is the after of the next page, empty when that was all; a page may be shorter without being
// the last. With match, a pattern or a destination, it returns only those that match stands for: a pattern if match covers
// all of it.
//
// For rooms it says how many are present: the sum of the nodes' numbers, so a member on two nodes counts twice.
//
// What is below the session prefix is each session's own, in no table, and left out. So is what silent nodes have; Silent
// names them, and those that were silent within the last 30 s are not asked. Errors are ErrPage and those of Redis.
func (c *Cluster) Destinations(ctx context.Context, match, after string, limit int) (page []registry.Destination, next string, err error) {
	if err := checkPage(match, after, limit); err != nil {
		return nil, "", err
	}
	for next = after; ; {
		if page, next, err = c.destinations(ctx, request{Op: opNames, Destination: match, After: next, Most: limit}); err != nil || len(page) > 0 || next == "" {
			return page, next, err
		}
	}
}

func checkPage(match, after string, limit int) error {
	switch err := gateway.CheckMatch(match); {
	case err != nil:
		return fmt.Errorf("%w: match: %w", ErrPage, err)
	case limit < 1 || limit > gateway.MaxDestinations:
		return fmt.Errorf("%w: %d destinations: want 1 to %d", ErrPage, limit, gateway.MaxDestinations)
	case len(after) > maxDestination:
		return fmt.Errorf("%w: it begins behind a name of %d bytes, the limit is %d", ErrPage, len(after), maxDestination)
	}
	return nil
}

// destinations asks the nodes once. A node names all that it has up to its last name, or to the end: so that far, and no
// further than the first of them, the numbers are those of all nodes.
func (c *Cluster) destinations(ctx context.Context, r request) (page []registry.Destination, next string, err error) {
	nodes, err := c.reader.Nodes(ctx)
	if err != nil {
		return nil, "", err
	}
	c.noteForeign(nodes)
	questions := c.unspared(nodes, r)
	all := map[string]registry.Destination{}
	err = c.askAll(ctx, questions, func(q *question) {
		whole := &q.whole
		if q.err() != nil || whole.Next != "" && whole.Next <= r.After {
			c.note(q.node, r.Op, true)
			return
		}
		for _, d := range whole.Names {
			all[d.Name] = sum(d, all[d.Name])
		}
		if whole.Next != "" && (next == "" || whole.Next < next) {
			next = whole.Next
		}
	})
	if err != nil {
		return nil, "", err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch {
		case next != "" && name > next:
			return page, next, nil
		case len(page) == r.Most:
			return page, page[r.Most-1].Name, nil
		}
		page = append(page, all[name])
	}
	return page, next, nil
}

// sum is a destination with the numbers of two nodes, of which other may have none.
func sum(d, other registry.Destination) registry.Destination {
	d.Subscribers += other.Subscribers
	d.Members, d.Anonymous = plus(d.Members, other.Members), plus(d.Anonymous, other.Anonymous)
	return d
}

// plus adds what is known of two numbers.
func plus(a, b *int) *int {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return new(*a + *b)
}
