package admin

import (
	"context"
	"errors"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// Peers are the nodes that a gateway asks who is in rooms; it implements gateway.Peers. Its methods may be called from any
// goroutine.
type Peers struct {
	cluster *Cluster // its own, so that operators and it don't wait for each other
	older   *silence // nodes that don't know who is present
}

// NewPeers returns the nodes whose session map is m. patience is how long a node may take to answer, default 2 s.
func NewPeers(m redisregistry.Map, patience time.Duration) *Peers {
	return &Peers{cluster: NewCluster(m, patience), older: &silence{now: time.Now}}
}

// Nodes implements gateway.Peers: it returns the names of those that show signs of life, including the caller's own.
func (p *Peers) Nodes(ctx context.Context) (names []string, err error) {
	nodes, err := p.cluster.reader.Nodes(ctx)
	for _, n := range nodes {
		if !n.Foreign() {
			names = append(names, n.Node)
		}
	}
	return names, err
}

// Present implements gateway.Peers. It asks as often as the answer takes, so there may be any number of rooms. A node of the
// previous version counts as having nobody, and is not asked again for 30 s. Errors are ErrSilent, what the node says, and
// those of Redis.
func (p *Peers) Present(ctx context.Context, node string, rooms []string) (all []registry.Present, err error) {
	if p.older.spares(node) {
		return nil, nil
	}
	for len(rooms) > 0 {
		some := portion(rooms)
		present, left, err := p.ask(ctx, node, some)
		if errors.Is(err, ErrSilent) && ctx.Err() == nil && p.isOlder(ctx, node) {
			p.older.note(node, true)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, present...)
		rooms = rooms[len(some)-left:]
	}
	return all, nil
}

// portionBytes is how much the names of one request take at most: as JSON, which may write each byte as six, they fit a message.
const portionBytes = 32 << 10

// portion is as many of the first rooms as fit a request, and one at least.
func portion(rooms []string) []string {
	size := 0
	for i, room := range rooms[:min(len(rooms), maxRooms)] {
		if size += len(room); size > portionBytes && i > 0 {
			return rooms[:i]
		}
	}
	return rooms[:min(len(rooms), maxRooms)]
}

// ask asks for some rooms. left is how many of the last ones the node has left out.
func (p *Peers) ask(ctx context.Context, node string, rooms []string) (all []registry.Present, left int, err error) {
	q := &question{node: node, request: request{Op: opPresence, Rooms: rooms}}
	if err := p.cluster.askAll(ctx, []*question{q}, func(*question) {}); err != nil {
		return nil, 0, err
	}
	all, err = q.present()
	return all, q.whole.Left, err
}

// isOlder reports whether a silent node is one that does not know the question: such a node says nothing to a request with rooms, whose
// form is new to it, and an error to one without. Others that were silent have no people that could be taken for gone.
func (p *Peers) isOlder(ctx context.Context, node string) bool {
	q := &question{node: node, request: request{Op: opPresence}}
	err := p.cluster.askAll(ctx, []*question{q}, func(*question) {})
	return err == nil && q.done && q.whole.Error != ""
}
