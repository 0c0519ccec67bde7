package loop

import (
	"context"
	"sync"
)

// inboxTasks is how many tasks may wait in an inbox before PostWait makes its caller wait too.
const inboxTasks = 4096

// inbox is what other goroutines want a loop to do.
type inbox struct {
	mu      sync.Mutex
	tasks   []func()
	waiting int           // tasks put and not yet done, those the loop has taken included
	space   chan struct{} // closed when there is room again; nil when nobody waits for it
	asleep  bool          // the loop is, or is about to be, blocked: whoever puts must wake it
	closed  bool

	wakers sync.WaitGroup // those who are about to wake the loop, and so need its descriptor
}

// put adds a task. asleep says that the caller has to wake the loop and then call wakers.Done.
func (in *inbox) put(fn func()) (asleep, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false, false
	}
	return in.add(fn), true
}

// putWait is put for a caller who waits for space, until ctx ends.
func (in *inbox) putWait(ctx context.Context, fn func()) (asleep bool, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for !in.closed && in.waiting >= inboxTasks {
		if in.space == nil {
			in.space = make(chan struct{})
		}
		space := in.space
		in.mu.Unlock()
		select {
		case <-space:
			in.mu.Lock()
		case <-ctx.Done():
			in.mu.Lock()
			return false, ctx.Err()
		}
	}
	if in.closed {
		return false, ErrStopped
	}
	return in.add(fn), nil
}

func (in *inbox) add(fn func()) (asleep bool) {
	in.tasks = append(in.tasks, fn)
	in.waiting++
	if !in.asleep {
		return false
	}
	in.asleep = false
	in.wakers.Add(1) // not after close, which Run waits behind
	return true
}

// take returns the tasks in the order they were put; the caller reports them by done. It leaves
// empty's memory for those to come.
func (in *inbox) take(empty []func()) []func() {
	in.mu.Lock()
	defer in.mu.Unlock()
	tasks := in.tasks
	in.tasks = empty
	return tasks
}

// done makes room for n tasks.
func (in *inbox) done(n int) {
	if n == 0 {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.waiting -= n; in.waiting < inboxTasks && in.space != nil {
		close(in.space)
		in.space = nil
	}
}

// sleep says whether the loop may block; if so, the next put wakes it.
func (in *inbox) sleep() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.asleep = len(in.tasks) == 0
	return in.asleep
}

func (in *inbox) awake() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.asleep = false
}

// close refuses new tasks, lets go whoever waits, and returns what was left.
func (in *inbox) close() []func() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	if in.space != nil {
		close(in.space)
		in.space = nil
	}
	tasks := in.tasks
	in.tasks = nil
	return tasks
}
