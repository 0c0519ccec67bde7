package loop

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimer(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		p, _ := r.open(nil)
		wantTimeouts := func(what string, want int) {
			t.Helper()
			r.do(func() {
				if p.timeouts != want {
					t.Errorf("%s: Timeout was called %d times, want %d", what, p.timeouts, want)
				}
			})
		}
		r.do(func() { p.SetTimer(time.Hour) })
		r.skip(59 * time.Minute)
		wantTimeouts("before its time", 0)
		r.skip(time.Minute + tick)
		wantTimeouts("after its time", 1)
		r.skip(2 * time.Hour)
		wantTimeouts("once", 1)

		r.do(func() { p.SetTimer(time.Hour); p.SetTimer(3 * time.Hour) })
		r.skip(2 * time.Hour)
		wantTimeouts("replaced by a later one", 1)
		r.do(func() { p.SetTimer(time.Hour) })
		r.skip(time.Hour + tick)
		wantTimeouts("replaced by a sooner one", 2)

		r.do(func() { p.SetTimer(time.Hour); p.SetTimer(0) })
		r.skip(2 * time.Hour)
		wantTimeouts("unset", 2)

		r.do(func() {
			for _, d := range []time.Duration{farthest, 1 << 32 * tick, forever} {
				p.SetTimer(d)
				if due := time.Duration(p.timer.due) * tick; due < farthest {
					t.Errorf("a timer of %v is due in %v", d, due)
				}
			}
			p.SetTimer(time.Hour)
			p.abort()
		})
		r.skip(2 * time.Hour)
		wantTimeouts("of a connection that has gone", 2)
	})
}

// A handler may set its timer anew each time, and another's.
func TestTimerWithinTimeout(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		other, _ := r.open(nil)
		p, _ := r.open(func(p *probe) {
			p.onTimeout = func() {
				p.SetTimer(time.Hour)
				other.SetTimer(0)
			}
			p.SetTimer(time.Hour)
		})
		r.do(func() { other.SetTimer(2 * time.Hour) })
		for range 5 {
			r.skip(time.Hour + tick)
		}
		r.do(func() {
			if p.timeouts != 5 || other.timeouts != 0 {
				t.Errorf("%d and %d timeouts, want 5 and none", p.timeouts, other.timeouts)
			}
		})
	})
}

// When the process was stopped, clients are not to blame for what the loop has not read yet: only the
// time that it meant to sleep counts.
func TestLostTimeDoesNotCount(t *testing.T) {
	eachRig(t, func(t *testing.T, r *rig) {
		soon, _ := r.open(func(p *probe) { p.SetTimer(time.Second / 2) })
		late, _ := r.open(func(p *probe) { p.SetTimer(time.Minute) })
		r.do(func() { r.loop.start = r.loop.start.Add(-time.Hour) })
		r.until("the first timer has fired", func() bool { return soon.timeouts > 0 })
		r.do(func() {
			if late.timeouts != 0 || late.Heard() > 30*time.Second {
				t.Errorf("%d timeouts, heard %v ago: the hour that was lost counts", late.timeouts, late.Heard())
			}
		})
		r.skip(time.Minute)
		r.do(func() {
			if soon.timeouts != 1 || late.timeouts != 1 {
				t.Errorf("%d and %d timeouts, want one each", soon.timeouts, late.timeouts)
			}
		})
	})
}

// Of a sleep in which the process was stopped nobody knows how much it slept: timers that were due in it
// are, and no client was silent in it. One that is stopped for long within a sleep is noticed as well.
func TestStoppedSleepIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewPortable(plenty)
		c := &Conn{loop: l}
		l.wheel.set(c, uint32(time.Hour/tick))
		sleep := func(now, silent time.Duration) {
			t.Helper()
			if err := l.wait(); err != nil {
				t.Fatal(err)
			}
			l.turn()
			if l.Now() != now || c.Heard() != silent || c.Wrote() != now {
				t.Errorf("now is %s, heard %s ago, wrote %s ago; want %s, %s, %s", l.Now(), c.Heard(), c.Wrote(), now, silent, now)
			}
		}
		sleep(longestSleep, longestSleep)
		go func() {
			time.Sleep(longestSleep / 2)
			synctest.Wait()
			l.start = l.start.Add(-8 * time.Hour) // the process was stopped
			l.Post(func() {})
		}()
		sleep(2*longestSleep, longestSleep)
		sleep(3*longestSleep, 2*longestSleep)
		l.inbox.wakers.Wait()
	})
}

// The same when the process was stopped in the middle of a turn.
func TestLostTimeInATurnDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewPortable(plenty)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		var fired atomic.Bool
		l.Post(func() {
			p := &probe{t: t, onTimeout: func() { fired.Store(true) }}
			p.Conn = l.Open(nil, p)
			p.SetTimer(5 * time.Second)
			time.Sleep(time.Hour)
		})
		time.Sleep(time.Hour + time.Second)
		l.Post(func() {})
		if synctest.Wait(); fired.Load() {
			t.Error("a second after an hour that was lost, a timer of five seconds has fired")
		}
		time.Sleep(5 * time.Second)
		if synctest.Wait(); !fired.Load() {
			t.Error("it has not fired at all")
		}
		cancel()
		<-ended
	})
}
