package session

import (
	"context"
	"sync"
)

// Workers do for sessions what would hold up a loop: at most a few at a time, so that neither the
// processors nor the memory of a node belong to those who send most.
type Workers struct {
	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{} // full while as many work as may
	wg     sync.WaitGroup
}

// NewWorkers returns workers of which n may work at a time.
func NewWorkers(n int) *Workers {
	w := &Workers{slots: make(chan struct{}, n)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Go runs fn on a goroutine of its own once its turn has come, and returns at once. Whoever asked
// and has no more use for it calls cancel: that ends the context of fn, or keeps it from beginning.
func (w *Workers) Go(fn func(context.Context)) (cancel context.CancelFunc) {
	ctx, cancel := context.WithCancel(w.ctx)
	w.wg.Go(func() {
		defer cancel()
		select {
		case w.slots <- struct{}{}:
			defer func() { <-w.slots }()
			if w.ctx.Err() == nil && ctx.Err() == nil { // Close reaches one after the other
				fn(ctx)
			}
		case <-ctx.Done():
		}
	})
	return cancel
}

// Close cancels all there is and waits for its end. Nobody may call Go any more.
func (w *Workers) Close() {
	w.cancel()
	w.wg.Wait()
}
