package router

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSpace: those who wait are woken when something has left, but not more often than makes
// sense, and after a while in any case.
func TestSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s space
		var woken atomic.Int64
		wait := func() { s.wait(func() { woken.Add(1) }) }
		want := func(want int64, when string) {
			t.Helper()
			synctest.Wait()
			if n := woken.Load(); n != want {
				t.Fatalf("%s: woken %d times, want %d", when, n, want)
			}
		}

		wait()
		time.Sleep(wakeAfter - time.Nanosecond)
		want(0, "before its time")
		time.Sleep(time.Nanosecond)
		want(1, "after a while without room")

		wait()
		s.freed()
		want(1, "soon after another waking")
		s.freed()
		time.Sleep(wakePause - time.Nanosecond)
		want(1, "still soon after")
		time.Sleep(time.Nanosecond)
		want(2, "after the pause")

		time.Sleep(wakePause)
		wait()
		wait()
		s.freed()
		want(4, "at once, as the last waking was long ago")
		s.freed()
		time.Sleep(2 * wakeAfter)
		want(4, "when nobody waits")
	})
}
