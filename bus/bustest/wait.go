package bustest

import (
	"bytes"
	"sync"
	"testing"
	"time"
)

// Log keeps what is logged. A test may read it at the same time.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write is for a handler of package slog.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Eventually waits until another goroutine or process has made ok true. It gives up only when the test has
// hung. The longer it has waited, the less often it asks: each call costs, most of all where it starts a process.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	hung, begin := time.After(2*time.Minute), time.Now()
	for !ok() {
		select {
		case <-time.After(min(max(2*time.Millisecond, time.Since(begin)/8), 100*time.Millisecond)):
		case <-hung:
			t.Fatalf("still not: %s", what)
		}
	}
}
