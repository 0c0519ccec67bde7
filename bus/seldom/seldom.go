// Package seldom keeps what strangers cause from filling the log.
package seldom

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"
)

// Line is a line of the log that is written once in a while at most. Its zero value is ready, and any
// goroutine may use it.
type Line struct {
	// Not to be changed once in use.
	Every  time.Duration // how often, default a second
	Always bool          // Log writes it each time

	mu      sync.Mutex
	last    time.Time      // when it was written; zero for never
	left    int            // how many were left out since
	kept    func(left int) // writes the one that waits for its time; nil for none
	timer   *time.Timer    // of kept, set last
	waiting sync.WaitGroup // for kept to be written
	closed  bool
}

// Pass reports whether the line may be written now, and how many were left out since the last one.
func (l *Line) Pass() (left int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rest() > 0 {
		l.left++
		return 0, false
	}
	return l.take(), true
}

// rest is for how long yet the line may not be written; 0 or less for not at all.
func (l *Line) rest() time.Duration {
	if l.last.IsZero() {
		return 0
	}
	return cmp.Or(l.Every, time.Second) - time.Since(l.last)
}

// take returns how many were left out, and begins anew.
func (l *Line) take() (left int) {
	left, l.left, l.last = l.left, 0, time.Now()
	return left
}

// Log writes the line, and in its end left_out: how many like it were left out since the last one. Of
// those that come too soon, the first is written when its time has come and tells of the others, as the
// next one may come in hours or never. It reports whether this one is written, now or then. Close
// must follow in the end.
func (l *Line) Log(log *slog.Logger, level slog.Level, message string, args ...any) (written bool) {
	if !log.Enabled(context.Background(), level) {
		return false
	}
	write := func(left int) {
		log.Log(context.Background(), level, message, append(args, "left_out", left)...)
	}
	if l.Always {
		write(0)
		return true
	}
	l.mu.Lock()
	rest := l.rest()
	if rest <= 0 && l.kept == nil {
		left := l.take()
		l.mu.Unlock() // a log may be slow
		write(left)
		return true
	}
	defer l.mu.Unlock()
	if l.kept != nil || l.closed {
		l.left++
		return false
	}
	resolve(args) // what they tell of may change until then
	l.kept = write
	l.waiting.Add(1)
	l.timer = time.AfterFunc(rest, l.writeKept)
	return true
}

// writeKept writes the line that waits for its time.
func (l *Line) writeKept() {
	defer l.waiting.Done()
	l.mu.Lock()
	write, left := l.kept, l.take()
	l.kept = nil
	l.mu.Unlock()
	write(left)
}

// Close writes the line that waits for its time. From then on none does: what is left out is told with
// the next one.
func (l *Line) Close() {
	l.mu.Lock()
	l.closed = true
	timer := l.timer
	l.mu.Unlock()
	if timer != nil && timer.Stop() {
		l.writeKept()
	}
	l.waiting.Wait()
}

// resolve puts what values are in the place of what tells it.
func resolve(args []any) {
	for i, arg := range args {
		if _, ok := arg.(slog.LogValuer); ok {
			args[i] = slog.AnyValue(arg).Resolve()
		}
	}
}
