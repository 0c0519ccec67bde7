package presence

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/internal/router"
	"github.com/stompgw/stompgw/gateway/registry"
)

// Bounds of what nodes tell each other. What goes beyond is no node's.
const (
	MaxRoom  = 8 << 10 // bytes of a room's name
	MaxInfo  = 1 << 10 // bytes of what is shown of a person, as JSON
	MaxLimit = 10_000  // members of one room on one node that are listed: an answer over Redis has them all

	maxBody   = 1 << 20 // bytes of an envelope
	maxNumber = 1 << 62
	maxCount  = 1 << 40
	maxNode   = 128 // bytes of a node's name

	digestRooms = 500
	digestBytes = 64 << 10 // of the names of these
)

// change is what has changed in a room on one node.
type change struct {
	Room      string            `json:"-"` // its destination says it
	Node      string            `json:"node"`
	From      uint64            `json:"from"` // the room's number before; 0: it was empty, or is told anew, and this is all there is
	To        uint64            `json:"to"`
	Count     int               `json:"count"` // members after it
	Anonymous int               `json:"anonymous"`
	Many      bool              `json:"many,omitempty"` // there is nothing but these numbers
	Changes   []registry.Person `json:"changes,omitempty"`
}

// digest is the numbers that rooms of a node have; 0 is that of one that is empty now.
type digest struct {
	Node  string            `json:"node"`
	Rooms map[string]uint64 `json:"rooms"`
}

// destinationOf returns where the changes of a room are told.
func destinationOf(room string) string { return router.PresenceOnBus + room }

// isRoom reports whether nodes can tell each other of a room of that name.
func isRoom(name string) bool {
	return len(name) > 1 && len(name) <= MaxRoom && name[0] == '/' && utf8.ValidString(name) && !bus.Wide(name)
}

// encode writes what goes over the bus, or to a client. What is in it was checked, so it can't fail.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // or what is shown of people would grow on its way
	if err := e.Encode(v); err != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// decodeChange reads what was told of a room. ok is false for what no node tells.
func decodeChange(room string, body []byte) (c change, ok bool) {
	if len(body) > maxBody || !isRoom(room) || json.Unmarshal(body, &c) != nil {
		return change{}, false
	}
	c.Room = room
	ok = isNode(c.Node) && c.From < c.To && c.To <= maxNumber && isCount(c.Count) && isCount(c.Anonymous) &&
		(!c.Many || len(c.Changes) == 0) && arePeople(c.Changes, 0)
	return c, ok
}

// arePeople reports whether a node can tell of people, each of whom has so many sessions at least.
func arePeople(people []registry.Person, sessions int) bool {
	return len(people) <= MaxLimit && !slices.ContainsFunc(people, func(p registry.Person) bool {
		member, err := registry.CanonicalMember(string(p.Member))
		return err != nil || member != string(p.Member) || p.Sessions < sessions || !isCount(p.Sessions) || p.Since < 0 ||
			len(p.Info) > MaxInfo || len(p.Info) > 0 && !json.Valid(p.Info)
	})
}

// isAnswer reports whether a node can have answered that.
func isAnswer(p *registry.Present) bool {
	return p.Number <= maxNumber && isCount(p.Count) && isCount(p.Anonymous) &&
		(p.Many || p.Count == len(p.Members)) && arePeople(p.Members, 1)
}

// decodeDigest reads a digest, as decodeChange does.
func decodeDigest(body []byte) (d digest, ok bool) {
	if len(body) > maxBody || json.Unmarshal(body, &d) != nil || !isNode(d.Node) || len(d.Rooms) > digestRooms {
		return digest{}, false
	}
	for room, number := range d.Rooms {
		if !isRoom(room) || number > maxNumber {
			return digest{}, false
		}
	}
	return d, true
}

func isNode(name string) bool {
	_, err := registry.ParseNode(name)
	return err == nil && len(name) <= maxNode
}

func isCount(n int) bool { return n >= 0 && n <= maxCount }
