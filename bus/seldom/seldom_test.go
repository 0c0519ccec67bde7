package seldom

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Line
		pass := func(wantLeft int, want bool) {
			t.Helper()
			if left, ok := l.Pass(); left != wantLeft || ok != want {
				t.Errorf("%d left out, %v; want %d, %v", left, ok, wantLeft, want)
			}
		}
		pass(0, true)
		pass(0, false)
		time.Sleep(time.Second - time.Nanosecond)
		pass(0, false)
		time.Sleep(time.Nanosecond)
		pass(2, true)
		pass(0, false)
		time.Sleep(time.Hour)
		pass(1, true)
		time.Sleep(time.Second)
		pass(0, true)
	})
}

func TestLineEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Line{Every: time.Minute}
		for i, want := range []bool{true, false, true} {
			if _, ok := l.Pass(); ok != want {
				t.Errorf("after %d halves of a minute: %v", i, ok)
			}
			time.Sleep(time.Minute / 2)
		}
	})
}

func TestLineAlways(t *testing.T) {
	l := Line{Always: true}
	for range 3 {
		if left, ok := l.Pass(); left != 0 || !ok {
			t.Errorf("%d left out, %v", left, ok)
		}
	}
}

// Of many at once one passes, and the next one tells of all the others.
func TestLineAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Line
		var passed [100]bool
		var wg sync.WaitGroup
		for i := range passed {
			wg.Go(func() { _, passed[i] = l.Pass() })
		}
		wg.Wait()
		n := 0
		for _, ok := range passed {
			if ok {
				n++
			}
		}
		time.Sleep(time.Second)
		if left, ok := l.Pass(); n != 1 || left != 99 || !ok {
			t.Errorf("%d passed, then %d left out, %v", n, left, ok)
		}
	})
}
