package main

import (
	"fmt"
	"sync"
)

// stream is what one publisher sends to one destination: messages numbered from 0 up.
type stream struct {
	id          int
	destination string

	mu    sync.Mutex
	sent  int          // messages begun
	acked map[int]bool // those with a RECEIPT
}

func newStream(id int, destination string) *stream {
	return &stream{id: id, destination: destination, acked: make(map[int]bool)}
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
func (s *stream) body(run string, n int) string { return fmt.Sprintf("%s %d %d", run, s.id, n) }

// arrivals is what one subscriber has received of a stream.
type arrivals struct {
	from     int // it has a right to the messages from this number on
	seen     map[int]int
	last     int // number of the latest
	disorder int // how many came after a later one
}

func newArrivals() *arrivals {
	return &arrivals{seen: make(map[int]int), last: -1}
}

func (a *arrivals) add(n int) {
	a.seen[n]++
	if n <= a.last && a.seen[n] == 1 {
		a.disorder++
	}
	a.last = max(a.last, n)
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
