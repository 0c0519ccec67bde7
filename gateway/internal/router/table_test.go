package router

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTable compares a table with a list that is searched.
func TestTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	tb := table{exact: map[string][]*Subscription{}}
	var model []*Subscription
	count := func(destination string) (n int) {
		for _, s := range model {
			if s.Destination == destination {
				n++
			}
		}
		return n
	}
	for range 20_000 {
		if rnd.IntN(2) == 0 || len(model) == 0 {
			s := &Subscription{Destination: fmt.Sprint("/topic/", rnd.IntN(20))}
			if first := tb.add(s); first != (count(s.Destination) == 0) {
				t.Fatalf("add to %d says first: %v", count(s.Destination), first)
			}
			model = append(model, s)
			continue
		}
		i := rnd.IntN(len(model))
		s := model[i]
		model = slices.Delete(model, i, i+1)
		if last := tb.remove(s); last != (count(s.Destination) == 0) {
			t.Fatalf("remove with %d left says last: %v", count(s.Destination), last)
		}
		list := tb.exact[s.Destination]
		if len(list) != count(s.Destination) || slices.Contains(list, s) {
			t.Fatalf("%d subscriptions, want %d without the one removed", len(list), count(s.Destination))
		}
	}
	for _, s := range model {
		tb.remove(s)
	}
	if len(tb.exact) != 0 {
		t.Errorf("an empty table holds %v", tb.exact)
	}
}

func BenchmarkTable(b *testing.B) {
	for _, test := range []struct {
		name         string
		destinations int
	}{{"subs=10000/destinations=1", 1}, {"subs=10000/destinations=10000", 10_000}} {
		b.Run(test.name, func(b *testing.B) {
			tb := table{exact: map[string][]*Subscription{}}
			subs := make([]*Subscription, 10_000)
			for i := range subs {
				subs[i] = &Subscription{Destination: fmt.Sprint("/topic/", i%test.destinations)}
				tb.add(subs[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() { // one goes, and comes back
				s := subs[i*7919%len(subs)]
				tb.remove(s)
				tb.add(s)
				i++
			}
		})
	}
}
