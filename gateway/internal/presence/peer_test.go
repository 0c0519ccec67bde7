package presence

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func nodeName(i int) string { return fmt.Sprintf("%d/d0b6fbca-0000-4000-8000-000000000000", i) }

// TestPeerList: who is new, who has gone, and that nobody has right after Redis was away.
func TestPeerList(t *testing.T) {
	now := time.Now()
	p := peers{live: map[string]*peer{}}
	list := func(want string, l listing) {
		t.Helper()
		came, gone := p.list(l, nodeName(1), now)
		if got := fmt.Sprint(came, gone, p.areAway()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	two, three := nodeName(2), nodeName(3)
	list("[] [] true", listing{err: errors.New("away")})
	list("["+two+"] [] false", listing{names: []string{nodeName(1), two, "strange"}})
	list("[] [] false", listing{}) // Redis is empty
	now = now.Add(listDoubt)
	list("["+three+"] [] false", listing{names: []string{two, three}})
	list("[] ["+two+"] false", listing{names: []string{three}})
	list("[] [] false", listing{err: errors.New("away")}) // for a moment, perhaps
	list("[] [] true", listing{err: errors.New("away")})
	list("["+two+"] [] false", listing{names: []string{two}})
	now = now.Add(listDoubt)
	list("[] ["+three+"] false", listing{names: []string{two}})
}

// TestQuestions: nodes are asked some at a time, each one question, with so many rooms.
func TestQuestions(t *testing.T) {
	now := time.Now()
	p := peers{live: map[string]*peer{}}
	for i := range 20 {
		name := nodeName(i)
		p.live[name] = &peer{name: name, due: make([]string, roomsAtOnce+1)}
	}
	for _, peer := range p.next(now) {
		peer.asked = true
		p.asked++
		if n := len(peer.question()); n != roomsAtOnce {
			t.Errorf("%d rooms", n)
		}
	}
	if p.asked != askedAtOnce || len(p.next(now)) != 0 {
		t.Errorf("%d asked", p.asked)
	}
	p.asked--
	for _, peer := range p.live {
		peer.again = now.Add(time.Second)
	}
	if len(p.next(now)) != 0 || len(p.next(now.Add(time.Second))) != 1 {
		t.Error("asked before its time, or not after")
	}
}

// TestDigests: each change is told three times, none of them at once, and in bundles of bounded size.
func TestDigests(t *testing.T) {
	now := time.Now()
	r := recent{}
	for i := range 2*digestRooms + 1 {
		r.note(&change{Room: fmt.Sprint("/", i), To: uint64(i + 1), Count: 1}, now)
	}
	r.note(&change{Room: "/0", To: 5000}, now) // it is empty now
	told := map[string]int{}
	for beat := range 6 {
		list := r.digests(goodNode, now.Add(time.Duration(beat)*beatEvery))
		if beat == 1 && len(list) != 3 {
			t.Errorf("%d bundles", len(list))
		}
		for _, d := range list {
			if _, ok := decodeDigest(encode(d)); !ok {
				t.Errorf("no node tells %s", encode(d))
			}
			for room, number := range d.Rooms {
				told[room]++
				if room == "/0" && number != 0 {
					t.Errorf("%s has %d", room, number)
				}
			}
		}
		if beat == 0 && len(list) > 0 {
			t.Error("told before the change itself has come")
		}
	}
	for room, n := range told {
		if n != beatsTold {
			t.Errorf("%s was told %d times", room, n)
		}
	}
	if len(told) != 2*digestRooms+1 || len(r) != 0 {
		t.Errorf("%d rooms were told, %d are left", len(told), len(r))
	}
	long := slices.Repeat([]byte("x"), MaxRoom-10)
	for i := range 100 {
		r.note(&change{Room: fmt.Sprintf("/%d%s", i, long), To: 1}, now)
	}
	for _, d := range r.digests(goodNode, now.Add(beatEvery)) {
		if n := len(encode(d)); n > 2*digestBytes {
			t.Errorf("%d bytes at once", n)
		}
	}
}
