package kafkabus

import (
	"cmp"
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
func (p *pulse) asked() { p.failed(nil) }

// failed notes why there was no answer, nil for unknown; it is owed still.
func (p *pulse) failed(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		p.since = time.Now()
	}
	p.cause = cmp.Or(cause, p.cause)
}

// answered notes that nothing is owed, and returns for how long it was.
func (p *pulse) answered() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	silence := p.owed()
	p.since, p.cause = time.Time{}, nil
	return silence
}

// silence returns for how long an answer has been owed, 0 if it is not, and the last failure.
func (p *pulse) silence() (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owed(), p.cause
}

// owed returns for how long an answer has been. The caller holds mu.
func (p *pulse) owed() time.Duration {
	if p.since.IsZero() {
		return 0
	}
	return time.Since(p.since)
}
