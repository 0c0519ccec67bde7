package router

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// wakePause is the least time between two wakings. While one partition of a broker is full and
	// others are not, envelopes leave all the time, mostly without making room for those who wait.
	wakePause = time.Millisecond

	// wakeAfter is when those who wait try again though nothing has left: a broker that has fallen
	// silent is told to clients by refusing them, not by letting them wait for its deadline.
	wakeAfter = time.Second
)

// space is where sessions wait for room in the bus. Its methods may be called from any goroutine.
type space struct {
	waiting atomic.Int64 // how many, so that freed need not look

	mu    sync.Mutex
	list  []func()
	woken time.Time   // when they were woken last
	timer *time.Timer // that wakes them; nil while nobody waits
}

// wait has unblock run, once, when there may be room.
func (s *space) wait(unblock func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, unblock)
	s.waiting.Store(int64(len(s.list)))
	if s.timer == nil {
		s.timer = time.AfterFunc(wakeAfter, s.wake)
	}
}

// freed notes that an envelope has left.
func (s *space) freed() {
	if s.waiting.Load() == 0 {
		return
	}
	s.mu.Lock()
	pause := wakePause - time.Since(s.woken)
	if pause > 0 && s.timer != nil {
		s.timer.Reset(pause)
	}
	s.mu.Unlock()
	if pause <= 0 {
		s.wake()
	}
}

// wake wakes all who wait.
func (s *space) wake() {
	s.mu.Lock()
	list := s.list
	s.list, s.woken = nil, time.Now()
	s.waiting.Store(0)
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.mu.Unlock()
	for _, unblock := range list {
		unblock()
	}
}
