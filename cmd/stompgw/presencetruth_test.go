package main

import (
	"maps"
	"sync"
)

// attendance is who really is in which rooms, and when it may change. Any goroutine may use it.
type attendance struct {
	mu     sync.Mutex
	rooms  map[string]*roll
	still  bool // nobody moves who need not
	moving int  // guests who come or go
	moves  int  // that have been
}

// roll is who is in a room.
type roll struct {
	members   map[string]map[string]int // sessions, by what is shown of them
	stays     map[stay]int              // sessions too
	anonymous int
}

// stay is a member on a node. Where members are only counted each counts.
type stay struct {
	member string
	node   int
}

func newRoll() *roll { return &roll{members: map[string]map[string]int{}, stays: map[stay]int{}} }

func newAttendance(rooms []string) *attendance {
	a := &attendance{rooms: map[string]*roll{}}
	for _, name := range rooms {
		a.rooms[name] = newRoll()
	}
	return a
}

// note notes that sessions of a member, empty for nobody, have come, or have gone, on a node.
func (a *attendance) note(name, member, info string, node, sessions int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.rooms[name]
	if member == "" {
		r.anonymous += sessions
		return
	}
	at := stay{member, node}
	if r.stays[at] += sessions; r.stays[at] == 0 {
		delete(r.stays, at)
	}
	if r.members[member] == nil {
		r.members[member] = map[string]int{}
	}
	if r.members[member][info] += sessions; r.members[member][info] == 0 {
		delete(r.members[member], info)
	}
	if len(r.members[member]) == 0 {
		delete(r.members, member)
	}
}

// at returns a copy of a room.
func (a *attendance) at(name string) *roll {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := newRoll()
	r.anonymous, r.stays = a.rooms[name].anonymous, maps.Clone(a.rooms[name].stays)
	for member, infos := range a.rooms[name].members {
		r.members[member] = maps.Clone(infos)
	}
	return r
}

// move reports whether a guest may come or go, which moved has to end. One who has to may.
func (a *attendance) move(must bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.still && !must {
		return false
	}
	a.moving++
	return true
}

func (a *attendance) moved() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.moving--
	a.moves++
}

// hold has nobody move, or go on.
func (a *attendance) hold(still bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.still = still
}

// isStill reports whether nobody moves.
func (a *attendance) isStill() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.still && a.moving == 0
}

// count returns how many times somebody has come or gone.
func (a *attendance) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.moves
}
