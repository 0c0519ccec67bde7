package loop

import "time"

// NewPortable makes a loop as New does on systems without epoll: all its connections are net.Conns,
// with goroutines. Tests on virtual time need one: testing/synctest can't see that a loop with a
// descriptor to wait for waits.
func NewPortable(limit int) *Loop {
	l := newLoop(limit)
	l.poller.sleeper = newSleeper()
	return l
}

// sleeper is how a loop sleeps that has no descriptors to wait for: whoever posts wakes it. Every
// connection has goroutines that post.
type sleeper struct {
	woken   chan struct{}
	timeout time.Duration // of the next sleep; negative: for ever
}

func newSleeper() *sleeper { return &sleeper{woken: make(chan struct{}, 1)} }

// wake ends the sleep, or the next one.
func (s *sleeper) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *sleeper) sleep() {
	if s.timeout < 0 {
		<-s.woken
		return
	}
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	select {
	case <-s.woken:
	case <-timer.C:
	}
}
