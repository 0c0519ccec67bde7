package presence

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stompgw/stompgw/gateway/registry"
)

// reader is a node that receives all that a book tells.
type reader struct {
	t     *testing.T
	book  *book
	parts map[string]*part
	sent  int
}

func newReader(t *testing.T, limit int) *reader {
	return &reader{t: t, book: newBook(limit), parts: map[string]*part{}}
}

// tell has the book told of n changes; the bus takes each with that probability.
func (r *reader) tell(n int, takes func() bool) {
	for range n {
		t := r.book.next()
		if t == nil {
			return
		}
		if t.silent {
			r.book.told(t)
			continue
		}
		if !takes() {
			r.book.untold(t)
			continue
		}
		r.book.told(t)
		r.take(t)
	}
}

// take holds what was told to be what a node tells, and true by itself.
func (r *reader) take(t *telling) {
	t.Node = "1/a"
	c, ok := decodeChange(t.Room, encode(t.change))
	if !ok {
		r.t.Fatalf("no node tells %s", encode(t.change))
	}
	p := r.parts[t.Room]
	if p == nil {
		p = &part{known: true}
		r.parts[t.Room] = p
	}
	if !p.apply(&c, func(string) {}) {
		r.t.Fatalf("%+v does not follow %d, or makes %d", c, p.number, len(p.people))
	}
	r.sent += len(c.Changes)
}

func yes() bool { return true }

// agree holds what was received against the book, and against what is asked of it.
func (r *reader) agree(model map[sojourn]int) {
	r.t.Helper()
	people, nobody := map[string]map[string]map[registry.SessionID]bool{}, map[string]map[registry.SessionID]bool{}
	for at := range model {
		if at.member == "" {
			if nobody[at.room] == nil {
				nobody[at.room] = map[registry.SessionID]bool{}
			}
			nobody[at.room][at.id] = true
			continue
		}
		if people[at.room] == nil {
			people[at.room] = map[string]map[registry.SessionID]bool{}
		}
		if people[at.room][at.member] == nil {
			people[at.room][at.member] = map[registry.SessionID]bool{}
		}
		people[at.room][at.member][at.id] = true
	}
	for room, p := range r.parts {
		if p.count != len(people[room]) || p.anonymous != len(nobody[room]) {
			r.t.Fatalf("%s has %d+%d, want %d+%d", room, p.count, p.anonymous, len(people[room]), len(nobody[room]))
		}
		for member, sessions := range people[room] {
			if !p.many && p.people[member].sessions != len(sessions) {
				r.t.Fatalf("%s in %s has %d sessions, want %d", member, room, p.people[member].sessions, len(sessions))
			}
		}
		said, ok := r.book.present(room, false)
		if ok == (p.count+p.anonymous == 0) || ok && (said.Number != p.number || said.Count != p.count || said.Many != p.many) {
			r.t.Fatalf("%s is %+v, and was told as %+v", room, said, p)
		}
		asked := &part{number: p.number}
		if ok {
			if !isAnswer(&said) {
				r.t.Fatalf("no node answers %+v", said)
			}
			asked.answer(&said, func(string) {})
		}
		if !maps.EqualFunc(asked.people, p.people, func(a, b someone) bool {
			return a.sessions == b.sessions && a.since == b.since && string(a.info) == string(b.info)
		}) {
			r.t.Fatalf("%s is\n%v, and was told as\n%v", room, asked.people, p.people)
		}
	}
}

// sojourn is a stay of the model.
type sojourn struct {
	room, member string
	id           registry.SessionID
}

// TestBookModel: whatever comes, goes and is refused by the bus in whatever order, who receives what is told has what there is.
func TestBookModel(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 17))
		r := newReader(t, 8)
		model := map[sojourn]int{}
		for range 60 {
			for range random.IntN(12) {
				at := sojourn{fmt.Sprintf("/topic/%d", random.IntN(3)), []string{"", "1", "2", "3", "4", "5", "6", "7", "8", "9", `"x"`}[random.IntN(11)], registry.SessionID(random.IntN(4))}
				if model[at] > 0 && random.IntN(3) > 0 {
					if model[at]--; model[at] == 0 {
						delete(model, at)
					}
					r.book.leave(at.room, at.id, at.member)
					continue
				}
				model[at]++
				r.book.come(at.room, at.id, at.member, fmt.Appendf(nil, `{"n":%d}`, random.IntN(3)), at.room == "/topic/2" && seed%2 == 0)
			}
			r.tell(random.IntN(5), func() bool { return random.IntN(3) > 0 })
			if random.IntN(4) == 0 {
				r.tell(1000, yes)
				r.agree(model)
			}
		}
		for at, n := range model {
			for range n {
				r.book.leave(at.room, at.id, at.member)
			}
		}
		r.tell(1000, yes)
		r.agree(nil)
		if b := r.book; len(b.rooms)+len(b.stays)+len(b.dirty)+b.people != 0 {
			t.Fatalf("left are %d rooms, %d stays, %d dirty, %d people", len(b.rooms), len(b.stays), len(b.dirty), b.people)
		}
	}
}

// TestComesAndGoes: who comes and goes before it is told is no change.
func TestComesAndGoes(t *testing.T) {
	r := newReader(t, 100)
	r.book.come("/a", 1, "1", nil, false)
	r.book.leave("/a", 1, "1")
	r.book.leave("/a", 1, "1") // once too often
	r.book.leave("/b", 1, "1") // never there
	r.tell(10, yes)
	if r.sent != 0 || len(r.book.rooms) != 0 || r.book.number != 0 {
		t.Errorf("sent %d, %d rooms are left", r.sent, len(r.book.rooms))
	}
}

// TestLongList: a long list is told in several changes, of bounded size, and one that is only counted in one without anybody.
func TestLongList(t *testing.T) {
	r := newReader(t, 1000)
	info := slices.Concat([]byte(`"`), slices.Repeat([]byte("x"), MaxInfo-2), []byte(`"`))
	for i := range 1000 {
		r.book.come("/a", 1, fmt.Sprint(1+i), info, false)
	}
	n := 0
	for r.book.dirtyRooms() > 0 {
		t := r.book.next()
		if size := len(encode(t.change)); size > 2*changeBytes {
			r.t.Errorf("%d bytes at once", size)
		}
		r.book.told(t)
		r.take(t)
		n++
	}
	if n < 1000*MaxInfo/changeBytes || r.parts["/a"].count != 1000 {
		t.Errorf("%d members in %d changes", r.parts["/a"].count, n)
	}
	r.sent = 0
	for i := range 10_000 {
		r.book.come("/a", 1, fmt.Sprint(10_000+i), info, false)
	}
	r.tell(100, yes)
	if p := r.parts["/a"]; r.sent != 0 || !p.many || p.count != 11_000 {
		t.Errorf("told of %d, %d of many %v", r.sent, p.count, p.many)
	}
}

// TestComeAllocs: a loop that has somebody come to a room again allocates no more than what is kept of him.
func TestComeAllocs(t *testing.T) {
	b := newBook(1000)
	b.come("/a", 1, "1", nil, false)
	info := []byte(`{"name":"x"}`)
	if n := testing.AllocsPerRun(1000, func() {
		b.come("/a", 2, "1", info, false)
		b.leave("/a", 2, "1")
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkCome is a session that comes to a room and leaves it, with all that is to be told of that.
func BenchmarkCome(b *testing.B) {
	for _, size := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprintf("members=%d", size), func(b *testing.B) {
			book := newBook(1000)
			for i := range size {
				book.come("/topic/a", registry.SessionID(i), fmt.Sprint(i), nil, false)
			}
			b.ReportAllocs()
			i := size
			for b.Loop() {
				i++
				book.come("/topic/a", registry.SessionID(i), "5000000", nil, false)
				book.leave("/topic/a", registry.SessionID(i), "5000000")
			}
		})
	}
}

// BenchmarkMemory is what rooms take, and says so for each member.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct{ rooms, members int }{{1, 100_000}, {10_000, 10}, {100_000, 1}} {
		b.Run(fmt.Sprintf("rooms=%d/members=%d", c.rooms, c.members), func(b *testing.B) {
			names := make([]string, c.rooms*c.members)
			for i := range names {
				names[i] = fmt.Sprint(i)
			}
			info := []byte(`{"name":"somebody"}`)
			for b.Loop() {
				before := heap()
				book := newBook(1000)
				for i, name := range names {
					room := "/topic/" + names[i%c.rooms]
					book.come(room, registry.SessionID(i), name, info, false)
				}
				for t := book.next(); t != nil; t = book.next() {
					book.told(t)
				}
				b.ReportMetric(float64(heap()-before)/float64(len(names)), "B/member")
				runtime.KeepAlive(book)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
