package main

import "testing"

// TestLedger: the books of the other tests find what they look for.
func TestLedger(t *testing.T) {
	s := newStream(0, destination(0))
	for range 10 {
		if n := s.next(); n != 7 { // which is refused
			s.ack(n)
		}
	}
	for _, test := range []struct {
		name                    string
		from                    int
		arrived                 []int
		lost, doubled, disorder int
	}{
		{"all", 0, []int{0, 1, 2, 3, 4, 5, 6, 8, 9}, 0, 0, 0},
		{"a refused one too", 0, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 0, 0},
		{"nothing", 0, nil, 9, 0, 0},
		{"joined late", 8, []int{8, 9}, 0, 0, 0},
		{"the first ones", 5, []int{8, 9}, 2, 0, 0},
		{"twice at once", 8, []int{8, 8, 9}, 0, 1, 0},
		{"twice, and late", 8, []int{8, 9, 8, 9}, 0, 2, 0},
		{"the wrong way round", 8, []int{9, 8}, 0, 0, 1},
	} {
		a := newArrivals()
		a.from = test.from
		for _, n := range test.arrived {
			a.add(n)
		}
		if a.lost(s, 0) != test.lost || a.doubled() != test.doubled || a.disorder != test.disorder {
			t.Errorf("%s: lost %d, doubled %d, disorder %d; want %d, %d, %d",
				test.name, a.lost(s, 0), a.doubled(), a.disorder, test.lost, test.doubled, test.disorder)
		}
	}
}
