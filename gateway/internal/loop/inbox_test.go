package loop

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestPostKeepsOrder(t *testing.T) {
	r := start(t, plenty)
	const producers, tasks = 4, 5000
	var got [producers][]int
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := range tasks {
				task := func() { got[p] = append(got[p], i) }
				if i%2 == 0 {
					r.loop.Post(task)
				} else if err := r.loop.PostWait(context.Background(), task); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r.settle()
	r.do(func() {
		for p := range got {
			if len(got[p]) != tasks || !slices.IsSorted(got[p]) {
				t.Errorf("%d of the %d tasks of one producer have run, in order: %v", len(got[p]), tasks, slices.IsSorted(got[p]))
			}
		}
	})
}

// A task whose Post said true runs, and none runs after Run has returned.
func TestPostUntilStop(t *testing.T) {
	for range 20 {
		r := start(t, plenty)
		var accepted, ran int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for r.loop.Post(func() { ran++ }) {
					mu.Lock()
					accepted++
					mu.Unlock()
				}
			})
		}
		r.settle()
		r.stop()
		wg.Wait()
		if ran != accepted {
			t.Fatalf("%d tasks were taken, %d have run", accepted, ran)
		}
		if err := r.loop.PostWait(t.Context(), func() {}); !errors.Is(err, ErrStopped) {
			t.Errorf("PostWait after the end: %v, want ErrStopped", err)
		}
	}
}

func TestPostWait(t *testing.T) {
	full := func() *inbox {
		in := &inbox{}
		for range inboxTasks {
			in.put(func() {})
		}
		return in
	}
	// waiter calls putWait and says what has come of it, once the bubble is idle.
	waiter := func(ctx context.Context, in *inbox) (state func() string) {
		result := "waits"
		go func() {
			_, err := in.putWait(ctx, func() {})
			switch {
			case err == nil:
				result = "done"
			default:
				result = err.Error()
			}
		}()
		return func() string { synctest.Wait(); return result }
	}
	want := func(t *testing.T, state func() string, want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("PostWait: %s, want %s", got, want)
		}
	}
	t.Run("space", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			in := full()
			first := waiter(t.Context(), in)
			want(t, first, "waits")
			second := waiter(t.Context(), in)
			want(t, second, "waits")
			in.take(nil)
			want(t, first, "waits") // taken is not done
			in.done(1)
			if a, b := first(), second(); (a == "done") == (b == "done") {
				t.Errorf("with space for one: %s and %s", a, b)
			}
			in.done(1)
			want(t, first, "done")
			want(t, second, "done")
		})
	})
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			state := waiter(ctx, full())
			want(t, state, "waits")
			cancel()
			want(t, state, context.Canceled.Error())
		})
	})
	t.Run("stop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			in := full()
			state := waiter(t.Context(), in)
			want(t, state, "waits")
			if left := in.close(); len(left) != inboxTasks {
				t.Errorf("%d tasks are left, want %d", len(left), inboxTasks)
			}
			want(t, state, ErrStopped.Error())
		})
	})
}

// Only one of those who put into a sleeping loop's inbox has to wake it.
func TestInboxWakesOnce(t *testing.T) {
	in := &inbox{}
	if !in.sleep() {
		t.Fatal("an empty inbox lets the loop sleep")
	}
	for i, want := range []bool{true, false} {
		if asleep, _ := in.put(func() {}); asleep != want {
			t.Errorf("put number %d: wake the loop: %v, want %v", i, asleep, want)
		}
	}
	if in.sleep() {
		t.Error("the loop may sleep with tasks in its inbox")
	}
	in.wakers.Done()
}
