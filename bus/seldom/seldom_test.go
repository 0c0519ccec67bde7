package seldom

import (
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLine(t *testing.T) {
	for every, l := range map[time.Duration]*Line{time.Second: {}, time.Minute: {Every: time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			for i, tt := range []struct {
				wait time.Duration // before
				left int
				ok   bool
			}{
				{0, 0, true}, {0, 0, false}, {every - 1, 0, false}, {1, 2, true}, {0, 0, false}, {time.Hour, 1, true}, {every, 0, true},
			} {
				time.Sleep(tt.wait)
				if left, ok := l.Pass(); left != tt.left || ok != tt.ok {
					t.Errorf("%s, %d: %d left out, %v; want %d, %v", every, i, left, ok, tt.left, tt.ok)
				}
			}
		})
	}
}

// Of many at once one passes, and the next one tells of all the others.
func TestLineAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Line
		var passed atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, ok := l.Pass(); ok {
					passed.Add(1)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		if left, ok := l.Pass(); passed.Load() != 1 || left != 99 || !ok {
			t.Errorf("%d passed, then %d left out, %v", passed.Load(), left, ok)
		}
	})
}

// log is a line that a test writes, and what the log has of it.
type log struct {
	Line
	logger *slog.Logger
	mu     sync.Mutex
	text   string
}

func newLog() *log {
	l := &log{}
	l.logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	return l
}

func (l *log) say(n int) bool { return l.Log(l.logger, slog.LevelInfo, "said", "n", n) }

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text += string(b)
	return len(b), nil
}

// want holds which lines there are since the last call.
func (l *log) want(t *testing.T, want string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text != want {
		t.Fatalf("got %q, want %q", l.text, want)
	}
	l.text = ""
}

// What comes too soon is told a second later, not with the next line, which may never come.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		defer l.Close()
		want := func(lines string) {
			t.Helper()
			synctest.Wait()
			l.want(t, lines)
		}
		for n, written := range []bool{true, true, false, false} {
			if l.say(n) != written {
				t.Errorf("%d: written is %v", n, !written)
			}
		}
		want("msg=said n=0 left_out=0\n")
		time.Sleep(time.Second - time.Nanosecond)
		want("")
		time.Sleep(time.Nanosecond)
		want("msg=said n=1 left_out=2\n")
		l.say(4) // too soon after that one
		want("")
		time.Sleep(time.Second)
		want("msg=said n=4 left_out=0\n")
		time.Sleep(time.Hour)
		want("")
		l.say(5)
		want("msg=said n=5 left_out=0\n")
	})
}

// The end of the owner writes what waits, and leaves no goroutine and no timer that writes.
func TestLogClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		for n := range 3 {
			l.say(n)
		}
		l.Close()
		l.want(t, "msg=said n=0 left_out=0\nmsg=said n=1 left_out=1\n")
		l.say(3)
		l.Close()
		time.Sleep(time.Second)
		l.say(4)
		l.want(t, "msg=said n=4 left_out=1\n")
	})
}

// A close in the moment at which the timer fires waits for what that writes.
func TestLogCloseAsItFires(t *testing.T) {
	for range 100 {
		l := newLog()
		l.Every = time.Millisecond
		l.say(0)
		l.say(1)
		for end := time.Now().Add(l.Every); time.Now().Before(end); {
			runtime.Gosched()
		}
		l.Close()
		l.want(t, "msg=said n=0 left_out=0\nmsg=said n=1 left_out=0\n")
	}
}

// changing is a value that is another one each time it is asked.
type changing struct{ n int }

func (c *changing) LogValue() slog.Value { c.n++; return slog.GroupValue(slog.Int("n", c.n)) }

// What a line says is what was so when it came, and is not worked out for one that is left out.
func TestLogValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newLog(), &changing{}
		for range 3 {
			l.Log(l.logger, slog.LevelInfo, "said", "", c)
		}
		c.n += 10
		l.Log(l.logger, slog.LevelDebug, "not said", "", c)
		l.Close()
		l.want(t, "msg=said n=1 left_out=0\nmsg=said n=2 left_out=1\n")
		l.Always = true
		l.Log(l.logger, slog.LevelInfo, "said", "", c)
		l.Log(l.logger, slog.LevelInfo, "said", "", c)
		l.want(t, "msg=said n=13 left_out=0\nmsg=said n=14 left_out=0\n")
	})
}
