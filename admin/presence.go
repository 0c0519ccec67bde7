package admin

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/registry"
)

// ErrRoom reports what can't be a room.
var ErrRoom = errors.New("no room: want a destination by its name, which is no pattern and has 1 to 8192 bytes")

// CheckRoom returns ErrRoom for what can't be a room, nil for what may be one.
func CheckRoom(room string) error {
	if room == "" || len(room) > maxDestination || destination.IsPattern(room) {
		return ErrRoom
	}
	return nil
}

// Present returns who is in a room on all nodes, or with counts only how many. For a member that several nodes have, the sessions
// add up, and the info is that of the newest session.
//
// Count is exact where members are listed. Where they are only counted, a member with sessions on two nodes counts twice: then, or
// if one node has more members than presence.limit, Many is true. What silent nodes have is missing, and Silent names them: those
// that were silent within the last 30 s are not asked, nor are those of the previous version, which do not know who is present.
// Nobody is in a destination without presence. Errors are ErrRoom and those of Redis.
func (c *Cluster) Present(ctx context.Context, room string, counts bool) (registry.Present, error) {
	if err := CheckRoom(room); err != nil {
		return registry.Present{}, err
	}
	nodes, err := c.reader.Nodes(ctx)
	if err != nil {
		return registry.Present{}, err
	}
	c.noteForeign(nodes)
	r := request{Op: opPresence, Rooms: []string{room}, Counts: counts}
	all := gathering{all: registry.Present{Destination: room, Many: counts}, people: map[string]attendee{}}
	err = c.askAll(ctx, c.unspared(nodes, r), func(q *question) {
		rooms, err := q.present()
		if err != nil {
			c.note(q.node, r.Op, true)
		}
		for _, p := range rooms {
			all.add(q.node, p)
		}
	})
	return all.end(), err
}

// gathering is a room that several nodes have.
type gathering struct {
	all    registry.Present
	people map[string]attendee // by the member
}

// attendee is a member of a room, with the info of a node.
type attendee struct {
	registry.Person
	node string
}

// add adds what a node has.
func (g *gathering) add(node string, p registry.Present) {
	g.all.Count += p.Count
	g.all.Anonymous += p.Anonymous
	g.all.Many = g.all.Many || p.Many
	for _, m := range p.Members {
		g.people[string(m.Member)] = attendee{m, node}.with(g.people[string(m.Member)])
	}
}

// with puts what another node has of the member to it. That may be nothing.
func (a attendee) with(other attendee) attendee {
	newest := a
	if other.Since > a.Since || other.Since == a.Since && other.node > a.node {
		newest = other
	}
	newest.Sessions = a.Sessions + other.Sessions
	return newest
}

// end returns what was found.
func (g *gathering) end() registry.Present {
	if g.all.Many {
		return g.all
	}
	g.all.Count = len(g.people)
	for _, member := range slices.Sorted(maps.Keys(g.people)) {
		g.all.Members = append(g.all.Members, g.people[member].Person)
	}
	return g.all
}

// errSenseless reports an answer that no node gives.
var errSenseless = errors.New("the node's answer makes no sense")

// present is the answer to a question of opPresence: rooms that it asks for. They are held to be that.
func (q *question) present() ([]registry.Present, error) {
	if err := q.err(); err != nil {
		return nil, err
	}
	if left := q.whole.Left; left < 0 || left > 0 && left >= len(q.request.Rooms) {
		return nil, errSenseless
	}
	for _, p := range q.whole.Present {
		if !slices.Contains(q.request.Rooms, p.Destination) || p.Count < 0 || p.Anonymous < 0 || slices.ContainsFunc(p.Members, isSenseless) {
			return nil, errSenseless
		}
	}
	return whole(q.whole.Present), nil
}

// whole puts the pieces of rooms together, each of which has the numbers of the whole.
func whole(pieces []registry.Present) (rooms []registry.Present) {
	at := make(map[string]int, len(pieces))
	for _, p := range pieces {
		i, known := at[p.Destination]
		if !known {
			at[p.Destination] = len(rooms)
			rooms = append(rooms, p)
			continue
		}
		rooms[i].Members = append(rooms[i].Members, p.Members...)
	}
	return rooms
}

func isSenseless(m registry.Person) bool {
	member, err := registry.CanonicalMember(string(m.Member))
	return err != nil || member != string(m.Member) || m.Sessions < 1
}

// maxPresent bounds an answer, in bytes: that of a large room, or of many small ones. A room that one answer has begun is whole in it.
const maxPresent = 4 << 20

// present says who is in the rooms of a request, as far as an answer goes. left is how many of the last ones are left out.
func (c *Control) present(ctx context.Context, r request) (all []registry.Present, left int, err error) {
	size := 0
	for i := range r.Rooms {
		if size >= maxPresent {
			return all, len(r.Rooms) - i, nil
		}
		present, err := c.gw.Present(ctx, r.Rooms[i:i+1], r.Counts)
		if err != nil {
			return nil, 0, err
		}
		for _, p := range present {
			size += sizeOfRoom(p)
			for _, m := range p.Members {
				size += sizeOfPerson(m)
			}
		}
		all = append(all, present...)
	}
	return all, 0, nil
}
