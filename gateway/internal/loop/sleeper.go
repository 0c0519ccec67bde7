package loop

import "time"

// NewPortable makes a loop as New does on systems without epoll: all its connections are net.Conns,
// with goroutines. Tests on virtual time need one: testing/synctest can't see that a loop in
// epoll_wait(2) waits.
func NewPortable(limit int) *Loop {
	l := newLoop(limit)
	l.poller.sleeper = newSleeper()
	return l
}

// sleeper is how a loop sleeps that has no descriptors to wait for: whoever posts wakes it. Every
// connection has goroutines that post.
type sleeper chan struct{}

func newSleeper() sleeper { return make(sleeper, 1) }

// wake ends the sleep, or the next one.
func (s sleeper) wake() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// sleep sleeps up to timeout (negative: for ever).
func (s sleeper) sleep(timeout time.Duration) {
	switch {
	case timeout == 0:
	case timeout < 0:
		<-s
	default:
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case <-s:
		case <-timer.C:
		}
	}
}
