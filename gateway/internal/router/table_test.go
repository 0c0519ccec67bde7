package router

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stompgw/stompgw/gateway/destination"
)

// TestTableOfPatterns compares what a table says it watches with what its subscriptions need, and whom it serves with
// those that there are.
func TestTableOfPatterns(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	tb := table{exact: map[string][]*Subscription{}}
	names := []string{"/a", "/b", "/a/**", "/b/**", "/a/*", "/a/x*", "/a/y*", "/*"}
	var subs []*Subscription
	needed := func() map[string]int {
		need := map[string]int{}
		for _, s := range subs {
			if s.Pattern == nil {
				need[s.Destination]++
				continue
			}
			for _, watch := range s.Pattern.Watches() {
				need[watch]++
			}
		}
		return need
	}
	watched := map[string]bool{}
	var gone *Subscription // the last that was removed
	for range 10_000 {
		if rnd.IntN(2) == 0 || len(subs) == 0 {
			s := &Subscription{Destination: names[rnd.IntN(len(names))]}
			subs = append(subs, s)
			add(t, &tb, s)
			for watch := range needed() {
				watched[watch] = true
			}
		} else {
			i := rnd.IntN(len(subs))
			s := subs[i]
			gone, subs = s, slices.Delete(subs, i, i+1)
			for _, watch := range removed(&tb, s) {
				if !watched[watch] {
					t.Fatalf("%s ends the watch of %s, which is none", s.Destination, watch)
				}
				delete(watched, watch)
			}
		}
		need := needed()
		for watch, n := range need {
			if served := tb.served(watch); !watched[watch] || len(served) != n || slices.Contains(served, gone) {
				t.Fatalf("%s serves %d, want %d without the one removed; watched: %v", watch, len(served), n, watched[watch])
			}
		}
		if len(need) != len(watched) {
			t.Fatalf("watched are %v, needed are %v", watched, need)
		}
	}
	for _, s := range subs {
		removed(&tb, s)
	}
	if len(tb.exact) != 0 || tb.groups != nil || tb.watching != nil {
		t.Errorf("an empty table holds %v", tb)
	}
}

func add(t *testing.T, tb *table, s *Subscription) {
	if !destination.IsPattern(s.Destination) {
		tb.add(s)
		return
	}
	s.Pattern = parse(t, s.Destination)
	tb.addPattern(s)
}

// removed removes s, and returns what need not be watched any more.
func removed(tb *table, s *Subscription) (spent []string) {
	if s.Pattern != nil {
		return tb.removePattern(s)
	}
	if tb.remove(s) {
		spent = []string{s.Destination}
	}
	return spent
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
