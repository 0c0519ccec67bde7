package kafkabus

import (
	"sync"
	"time"
)

// pulse tells for how long somebody at the other end has owed an answer. Any goroutine may ask.
type pulse struct {
	mu    sync.Mutex
	since time.Time // when the oldest unanswered question was asked; zero for none
	cause error     // of the last failure since
}

// asked notes that an answer is owed from now on.
func (p *pulse) asked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		p.since = time.Now()
	}
}

// failed notes why there was no answer; it is still owed.
func (p *pulse) failed(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		p.since = time.Now()
	}
	p.cause = cause
}

// answered notes that nothing is owed, and returns for how long it was.
func (p *pulse) answered() (silence time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	silence = p.silenceLocked()
	p.since, p.cause = time.Time{}, nil
	return silence
}

// silence returns for how long an answer has been owed, 0 if it is not, and the last failure.
func (p *pulse) silence() (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silenceLocked(), p.cause
}

func (p *pulse) silenceLocked() time.Duration {
	if p.since.IsZero() {
		return 0
	}
	return time.Since(p.since)
}
