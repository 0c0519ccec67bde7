package presence

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	// countsEvery is how much time is between two numbers that a viewer is told, at least.
	countsEvery = 500 * time.Millisecond

	// beginWithin is how long a view waits for nodes to answer, when it begins and after it was paused. Then it goes on with what there is.
	beginWithin = 3 * time.Second
)

// view is a room over all nodes, as this node's viewers see it. Run's goroutine owns it.
type view struct {
	room  string
	grace time.Duration
	limit int // members that are listed

	parts   map[string]*part    // by node, this one among them
	touched map[string]struct{} // members of whom a part may say something else now
	shown   map[string]*shown   // by member, those too who have gone but may come back; nil while the room is only counted
	leaving []leave             // who may have to leave, in the order of when
	many    bool                // a part only counts
	moved   bool                // there may be something to tell viewers

	state    state
	asking   bool      // all nodes are asked, so that it can begin, or go on
	since    time.Time // when it began to wait for them
	listed   counts    // what viewers who see members were told last
	counted  counts    // and those who see numbers
	countDue time.Time // before which neither is told a number again

	seats seats // of its viewers
	watch watch // of the bus
}

// state is how a view does.
type state int

const (
	starting state = iota // nobody was told anything
	live                  // viewers know who is there
	paused                // viewers know that nobody knows
)

// shown is a member as viewers have been told of him.
type shown struct {
	info    []byte
	leaving time.Time // when he leaves unless he comes back; zero while he is here
}

// leave is a member who may have to leave.
type leave struct {
	member string
	when   time.Time
}

// counts are how many are in a room.
type counts struct{ members, anonymous int }

func newView(room string, grace time.Duration, limit int, now time.Time) *view {
	return &view{
		room: room, grace: grace, limit: limit, since: now,
		parts: map[string]*part{}, touched: map[string]struct{}{}, shown: map[string]*shown{},
		seats: newSeats(now), watch: watch{destination: destinationOf(room)},
	}
}

// touch notes a member of whom something has changed.
func (v *view) touch(member string) { v.touched[member] = struct{}{} }

// apply puts a change into a node's part. It reports false where something is missing.
func (v *view) apply(c *change) bool {
	v.moved = true
	return v.part(c.Node).apply(c, v.touch)
}

// answer makes a node's part what it has answered, nil for nobody. It reports false as apply does.
func (v *view) answer(node string, all *registry.Present) bool {
	v.moved = true
	return v.part(node).answer(all, v.touch)
}

// part returns a node's part, a new one if there is none.
func (v *view) part(node string) *part {
	p := v.parts[node]
	if p == nil {
		p = &part{}
		v.parts[node] = p
	}
	return p
}

// lose drops the part of a node that is no more.
func (v *view) lose(node string) {
	if p := v.parts[node]; p != nil {
		p.clear(v.touch)
		v.moved = true
		delete(v.parts, node)
	}
}

// isCrowded reports whether too many are in the room to be listed.
func (v *view) isCrowded() bool { return v.many || len(v.shown) > v.limit }

// isSettled reports whether all nodes have told what they have.
func (v *view) isSettled() bool {
	for _, p := range v.parts {
		if !p.isSettled() {
			return false
		}
	}
	return true
}

// counts returns how many are in the room.
func (v *view) counts() counts {
	n := counts{members: len(v.shown)}
	for _, p := range v.parts {
		n.anonymous += p.anonymous
		if v.many {
			n.members += p.count
		}
	}
	return n
}

// news is what has changed for viewers. Left come first.
type news struct{ left, joined, changed []told }

// told is a member as viewers read of him.
type told struct {
	Member json.RawMessage `json:"member"`
	Info   json.RawMessage `json:"info,omitempty"`
}

// compare is by the text of the ids.
func (t told) compare(other told) int { return bytes.Compare(t.Member, other.Member) }

// turn makes what is shown agree with the parts, but for the grace, and returns what that changes.
func (v *view) turn(now time.Time) (n news) {
	v.recount()
	if v.many {
		clear(v.touched)
		return news{}
	}
	for member := range v.touched {
		v.look(member, now, &n)
	}
	clear(v.touched)
	for len(v.leaving) > 0 && !v.leaving[0].when.After(now) {
		if l := v.leaving[0]; v.shown[l.member] != nil && v.shown[l.member].leaving.Equal(l.when) {
			n.left = append(n.left, told{Member: json.RawMessage(l.member)})
			delete(v.shown, l.member)
		}
		v.leaving = v.leaving[1:]
	}
	if len(v.leaving) == 0 {
		v.leaving = nil
	}
	for _, list := range [...][]told{n.left, n.joined, n.changed} {
		slices.SortFunc(list, told.compare)
	}
	return n
}

// recount notes whether the room is only counted.
func (v *view) recount() {
	was := v.many
	v.many = false
	for _, p := range v.parts {
		v.many = v.many || p.many
	}
	switch {
	case v.many:
		v.shown, v.leaving = nil, nil
	case was:
		v.shown = map[string]*shown{}
		for _, p := range v.parts {
			for member := range p.people {
				v.touch(member)
			}
		}
	}
}

// look makes what is shown of a member agree with the parts.
func (v *view) look(member string, now time.Time, n *news) {
	info, here := v.merge(member)
	s := v.shown[member]
	switch {
	case here && s == nil:
		v.shown[member] = &shown{info: info}
		n.joined = append(n.joined, told{json.RawMessage(member), info})
	case here:
		s.leaving = time.Time{}
		if !bytes.Equal(s.info, info) {
			s.info = info
			n.changed = append(n.changed, told{json.RawMessage(member), info})
		}
	case s != nil && s.leaving.IsZero():
		s.leaving = now.Add(v.grace)
		v.leaving = append(v.leaving, leave{member, s.leaving})
	}
}

// merge returns what is shown of a member whom several nodes may have.
func (v *view) merge(member string) (info []byte, here bool) {
	var newest someone
	var of string
	for node, p := range v.parts {
		if s, ok := p.people[member]; ok && (!here || s.isNewer(node, newest, of)) {
			newest, of, here = s, node, true
		}
	}
	return newest.info, here
}

// all returns everybody who is shown, in the order of their ids' text.
func (v *view) all() []told {
	list := make([]told, 0, len(v.shown))
	for member, s := range v.shown {
		list = append(list, told{json.RawMessage(member), s.info})
	}
	slices.SortFunc(list, told.compare)
	return list
}
