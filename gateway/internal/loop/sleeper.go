package loop

import "time"

// NewPortable makes a loop as New does on systems without epoll: all its connections are net.Conns,
// with goroutines. Tests on virtual time need one: testing/synctest can't see that a loop with a
// descriptor to wait for waits.
func NewPortable(limit int) *Loop {
	l := newLoop(limit)
	l.poller = newSleeper()
	return l
}

// sleeper is how a loop sleeps that has no descriptors to wait for: whoever posts wakes it. Every
// connection has goroutines that post.
type sleeper struct {
	woken   chan struct{}
	timeout time.Duration // of the next sleep; negative: for ever
}

func newSleeper() *sleeper { return &sleeper{woken: make(chan struct{}, 1)} }

func (s *sleeper) arm(timeout time.Duration) error {
	s.timeout = timeout
	return nil
}

func (s *sleeper) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *sleeper) sleep() error {
	var due <-chan time.Time
	if s.timeout >= 0 {
		timer := time.NewTimer(s.timeout)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-s.woken:
	case <-due:
	}
	return nil
}

func (s *sleeper) collect() error { return nil }
func (s *sleeper) close()         {}
