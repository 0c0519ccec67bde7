package session

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// TestWorkers: no more than the number work at a time, and all of it gets done.
func TestWorkers(t *testing.T) {
	w := NewWorkers(2)
	defer w.Close()
	var working, most, done atomic.Int64
	var all sync.WaitGroup
	gate := make(chan struct{})
	for range 20 {
		all.Add(1)
		w.Go(func(context.Context) {
			defer all.Done()
			n := working.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-gate
			working.Add(-1)
			done.Add(1)
		})
	}
	close(gate)
	all.Wait()
	if most.Load() > 2 || done.Load() != 20 {
		t.Errorf("%d at a time, %d done; want 2 and 20", most.Load(), done.Load())
	}
}

// TestWorkersCancel: what is cancelled before its turn never begins, and afterwards its context ends.
func TestWorkersCancel(t *testing.T) {
	w := NewWorkers(1)
	defer w.Close()
	for range 100 { // where its turn comes at the very moment, too
		begun, third := make(chan struct{}), make(chan struct{})
		cancelFirst := w.Go(func(ctx context.Context) {
			close(begun)
			<-ctx.Done()
		})
		<-begun
		cancelSecond := w.Go(func(context.Context) { t.Error("what was cancelled began") })
		w.Go(func(context.Context) { close(third) })
		cancelSecond()
		cancelFirst()
		<-third
	}
}

// TestWorkersClose: Close ends what works and drops what waits.
func TestWorkersClose(t *testing.T) {
	w := NewWorkers(1)
	begun, ended := make(chan struct{}), false
	w.Go(func(ctx context.Context) {
		close(begun)
		<-ctx.Done()
		ended = true
	})
	<-begun
	w.Go(func(context.Context) { t.Error("what waited began after Close") })
	w.Close()
	if !ended {
		t.Error("Close did not wait")
	}
}
