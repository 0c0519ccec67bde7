package presence

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	// One change on the bus has at most so many people, and so many bytes of what is shown of them; the last may go beyond.
	changePeople = 256
	changeBytes  = 32 << 10

	// clearedAtOnce is how many people of a room that is only counted are looked at while the book is locked.
	clearedAtOnce = 1024
)

// book is who is present through this node's sessions. Any goroutine may write it, but only one at a time takes what is to be told.
type book struct {
	limit int  // members that a room lists
	run   bell // for when there is something to tell

	mu     sync.Mutex
	rooms  map[string]*room
	stays  map[place]*stay
	dirty  []*room // with something to tell, each once
	number uint64  // of the last change that was told, of all rooms
	people int     // members in rooms, each once for each of them
}

// room is who is in a room.
type room struct {
	name     string
	people   map[string]*person // by member; some have gone, and that is to be told
	members  int                // of them, who are here
	nobody   person             // whoever is not logged in
	counting int                // stays by a rule that only counts
	touched  []*person          // who may have something to tell, each once
	dirty    bool
	anew     bool // all who are here are to be told of, once they are listed
	told     totals
}

// totals are what of a room was told last, and is found out by asking. The zero value is an empty one.
type totals struct {
	number             uint64
	members, anonymous int
	many               bool // only that
}

func (t *totals) isEmpty() bool { return t.members == 0 && t.anonymous == 0 }

// person is a member in a room.
type person struct {
	member       string
	newest       *stay
	sessions     int32
	toldSessions int32
	told         *stay // the newest as it was told; nil: he was not here
	touched      bool  // he is in the room's list of those
}

// stay is a session in a room, as a member. What is shown of it never changes: it becomes another one.
type stay struct {
	info         []byte
	since        int64 // Unix ms, and greater than those of the person's stays before
	older, newer *stay
	comes        int32 // that were not taken back
	counts       bool  // by a rule that only counts
}

// place finds a stay.
type place struct {
	who *person
	id  registry.SessionID
}

// bell is what Run waits for. It has room for one.
type bell chan struct{}

// wake has Run look, unless it has yet to do so.
func (b bell) wake() {
	select {
	case b <- struct{}{}:
	default:
	}
}

func newBook(limit int) *book {
	return &book{limit: limit, run: make(bell, 1), rooms: map[string]*room{}, stays: map[place]*stay{}}
}

// come notes that a session is in a room.
func (b *book) come(name string, id registry.SessionID, member string, info []byte, counts bool) {
	now := time.Now().UnixMilli()
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rooms[name]
	if r == nil {
		r = &room{name: name, people: map[string]*person{}}
		b.rooms[name] = r
	}
	p := r.person(member)
	at := place{p, id}
	s := b.stays[at]
	switch {
	case s == nil:
		if p.sessions++; p.sessions == 1 && p != &r.nobody {
			r.members++
			b.people++
		}
		s = p.push(&stay{info: info}, now)
	case !bytes.Equal(s.info, info):
		p.unlink(s)
		s = p.push(&stay{info: info, comes: s.comes, counts: s.counts}, now)
	}
	b.stays[at] = s
	s.comes++
	r.setCounts(s, counts)
	b.touch(r, p)
}

// leave takes back one come of the same session and member.
func (b *book) leave(name string, id registry.SessionID, member string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rooms[name]
	if r == nil {
		return
	}
	p := r.people[member]
	if member == "" {
		p = &r.nobody
	}
	at := place{p, id}
	s := b.stays[at]
	if s == nil {
		return
	}
	if s.comes--; s.comes > 0 {
		return
	}
	delete(b.stays, at)
	r.setCounts(s, false)
	p.unlink(s)
	if p.sessions--; p.sessions == 0 && p != &r.nobody {
		r.members--
		b.people--
	}
	b.touch(r, p)
}

// person returns a member of the room, or who stands for nobody.
func (r *room) person(member string) *person {
	if member == "" {
		return &r.nobody
	}
	p := r.people[member]
	if p == nil {
		p = &person{member: member}
		r.people[member] = p
	}
	return p
}

// push makes s the person's newest stay.
func (p *person) push(s *stay, now int64) *stay {
	s.since = now
	for _, before := range [...]*stay{p.newest, p.told} {
		if before != nil {
			s.since = max(s.since, before.since+1)
		}
	}
	if s.older = p.newest; s.older != nil {
		s.older.newer = s
	}
	p.newest = s
	return s
}

// unlink takes s out of the person's stays.
func (p *person) unlink(s *stay) {
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		p.newest = s.older
	}
	if s.older != nil {
		s.older.newer = s.newer
	}
	s.older, s.newer = nil, nil // or what was told would hold on to others
}

func (r *room) setCounts(s *stay, counts bool) {
	if s.counts != counts {
		s.counts = counts
		r.counting += map[bool]int{true: 1, false: -1}[counts]
	}
}

// touch notes that there may be something to tell of a person. mu is held.
func (b *book) touch(r *room, p *person) {
	if !p.touched {
		p.touched = true
		r.touched = append(r.touched, p)
	}
	if r.dirty {
		return
	}
	r.dirty = true
	b.dirty = append(b.dirty, r)
	b.run.wake()
}

// telling is a change that is being told, and how it can be taken back.
type telling struct {
	change
	room   *room
	before totals
	people []before // whom it is about, and others who have gone meanwhile
	silent bool     // there is nothing to tell
	last   bool     // there is nothing more to tell of the room
	anew   bool     // it begins to list all
}

// before is what was told of a person until now.
type before struct {
	who      *person
	told     *stay
	sessions int32
}

// dirtyRooms is how many rooms have something to tell.
func (b *book) dirtyRooms() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.dirty)
}

// next takes the next change that is to be told, which counts as told; nil for none. Either told or untold has to follow.
func (b *book) next() *telling {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.dirty) == 0 {
		return nil
	}
	r := b.dirty[0]
	t := &telling{room: r, before: r.told}
	t.Room = r.name
	many := r.isMany(b.limit)
	if !many && (r.told.many || r.anew) {
		r.listAnew()
		t.anew = true
	}
	most := changePeople
	if many {
		most = clearedAtOnce
	}
	for n, size := 0, 0; len(r.touched) > 0 && n < most && size < changeBytes; n++ {
		size += r.tell(t, many)
	}
	if len(r.touched) == 0 {
		r.touched, r.dirty, t.last = nil, false, true
		b.dirty[0] = nil
		b.dirty = b.dirty[1:]
	}
	b.total(t, many)
	return t
}

// isMany reports whether the room is only counted. One that has been stays so until it is smaller by a tenth, as otherwise its
// whole list would be told whenever somebody comes and goes.
func (r *room) isMany(limit int) bool {
	if r.told.many {
		limit -= limit / 10
	}
	return r.counting > 0 || r.members > limit
}

// listAnew begins to tell of all who are in a room that was only counted.
func (r *room) listAnew() {
	r.told, r.anew = totals{}, false
	r.touched, r.nobody.touched = r.touched[:0], false
	for _, p := range r.people {
		p.told, p.toldSessions, p.touched = nil, 0, true
		r.touched = append(r.touched, p)
	}
}

// tell puts the last one of those who are touched into t, if there is something to tell of him, and returns how much that takes.
func (r *room) tell(t *telling, many bool) (size int) {
	end := len(r.touched) - 1
	p := r.touched[end]
	r.touched[end] = nil
	r.touched = r.touched[:end]
	p.touched = false
	switch {
	case p == &r.nobody:
		return 0
	case many, p.told == p.newest && p.toldSessions == p.sessions:
		if p.sessions == 0 {
			t.people = append(t.people, before{p, p.told, p.toldSessions})
		}
		return 0
	}
	t.people = append(t.people, before{p, p.told, p.toldSessions})
	said := registry.Person{Member: json.RawMessage(p.member), Sessions: int(p.sessions)}
	if p.newest != nil {
		said.Since, said.Info = p.newest.since, p.newest.info
	}
	t.Changes = append(t.Changes, said)
	r.told.members += isHere(p.newest) - isHere(p.told)
	p.told, p.toldSessions = p.newest, p.sessions
	return len(p.member) + len(said.Info)
}

func isHere(s *stay) int {
	if s == nil {
		return 0
	}
	return 1
}

// total ends a change with what is true after it.
func (b *book) total(t *telling, many bool) {
	now := &t.room.told
	now.many, now.anonymous = many, int(t.room.nobody.sessions)
	if many {
		now.members = t.room.members
	}
	if len(t.Changes) == 0 && now.members == t.before.members && now.anonymous == t.before.anonymous && now.many == t.before.many {
		t.silent = true
		return
	}
	b.number++
	t.From, t.To, t.Count, t.Anonymous, t.Many = now.number, b.number, now.members, now.anonymous, many
	now.number = b.number
	if now.isEmpty() {
		*now = totals{}
	}
}

// told ends a change that the bus has.
func (b *book) told(t *telling) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := t.room
	for _, before := range t.people {
		if p := before.who; p.sessions == 0 && !p.touched && r.people[p.member] == p {
			delete(r.people, p.member)
		}
	}
	if len(r.people) == 0 && r.nobody.sessions == 0 && !r.dirty && b.rooms[r.name] == r {
		delete(b.rooms, r.name)
	}
}

// untold takes back a change that the bus does not take: it is to be told yet.
func (b *book) untold(t *telling) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := t.room
	b.touch(r, &r.nobody) // anonymous, too
	r.told = t.before
	r.anew = r.anew || t.anew || t.Many // of those who were looked at, nothing is known any more
	for _, before := range t.people {
		p := before.who
		p.told, p.toldSessions = before.told, before.sessions
		b.touch(r, p)
	}
}

// present says who is in a room, as it was told last; with counts only how many. It is false where nobody is.
func (b *book) present(name string, counts bool) (registry.Present, bool) {
	b.mu.Lock()
	r := b.rooms[name]
	if r == nil || r.told.isEmpty() {
		b.mu.Unlock()
		return registry.Present{}, false
	}
	told := r.told
	p := registry.Present{Destination: name, Number: told.number, Count: told.members, Anonymous: told.anonymous, Many: told.many || counts}
	if !p.Many {
		p.Members = make([]registry.Person, 0, told.members)
		for _, who := range r.people {
			if s := who.told; s != nil {
				p.Members = append(p.Members, registry.Person{Member: json.RawMessage(who.member), Sessions: int(who.toldSessions), Since: s.since, Info: s.info})
			}
		}
	}
	b.mu.Unlock()
	slices.SortFunc(p.Members, func(x, y registry.Person) int { return cmp.Compare(string(x.Member), string(y.Member)) })
	return p, true
}

// size returns how many rooms there are, and how many members are in them, one in two rooms twice.
func (b *book) size() (rooms, members int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rooms), b.people
}
