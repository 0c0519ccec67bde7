package main

import (
	"fmt"
	"sync"
	"testing"
)

// stream is what one publisher sends to one destination: messages numbered from 0 up.
type stream struct {
	id          int
	destination string

	mu    sync.Mutex
	sent  int          // messages begun
	acked map[int]bool // those with a RECEIPT
}

// next begins a message.
func (s *stream) next() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	return s.sent - 1
}

func (s *stream) begun() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

func (s *stream) ack(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[n] = true
}

// body is that of message n. The run keeps apart what another test left on the bus.
func (s *stream) body(run string, n int) []byte { return fmt.Appendf(nil, "%s %d %d", run, s.id, n) }

// arrivals is what one subscriber has received of a stream.
type arrivals struct {
	from     int         // it has a right to the messages from this number on
	seen     map[int]int // how often each message came
	next     int         // behind the latest
	disorder int         // how many came after a later one
}

func (a *arrivals) add(n int) {
	a.seen[n]++
	if n < a.next && a.seen[n] == 1 {
		a.disorder++
	}
	a.next = max(a.next, n+1)
}

// doubled returns how many messages came again.
func (a *arrivals) doubled() (count int) {
	for _, times := range a.seen {
		count += times - 1
	}
	return count
}

// lost returns how many messages of s from number first on have a RECEIPT and did not come.
func (a *arrivals) lost(s *stream, first int) (count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.acked {
		if n >= max(first, a.from) && a.seen[n] == 0 {
			count++
		}
	}
	return count
}

// TestLedger: the books of the other tests find what they look for.
func TestLedger(t *testing.T) {
	s := &stream{acked: map[int]bool{}}
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
		a := &arrivals{from: test.from, seen: map[int]int{}}
		for _, n := range test.arrived {
			a.add(n)
		}
		if a.lost(s, 0) != test.lost || a.doubled() != test.doubled || a.disorder != test.disorder {
			t.Errorf("%s: lost %d, doubled %d, disorder %d; want %d, %d, %d",
				test.name, a.lost(s, 0), a.doubled(), a.disorder, test.lost, test.doubled, test.disorder)
		}
	}
}
