package seldom

import (
	"log/slog"
	"runtime"
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

// next returns the lines since the last call.
func (l *log) next() (text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, l.text = l.text, ""
	return text
}

// What comes too soon is told a second later, not with the next line, which may never come.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		defer l.Close()
		want := func(lines string) {
			t.Helper()
			synctest.Wait()
			if got := l.next(); got != lines {
				t.Errorf("got %q, want %q", got, lines)
			}
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
		if got, want := l.next(), "msg=said n=0 left_out=0\nmsg=said n=1 left_out=1\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		l.say(3)
		l.Close()
		time.Sleep(time.Second)
		l.say(4)
		if got, want := l.next(), "msg=said n=4 left_out=1\n"; got != want {
			t.Errorf("after the end: got %q, want %q", got, want)
		}
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
		if got, want := l.next(), "msg=said n=0 left_out=0\nmsg=said n=1 left_out=0\n"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
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
		if got, want := l.next(), "msg=said n=1 left_out=0\nmsg=said n=2 left_out=1\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		l.Always = true
		l.Log(l.logger, slog.LevelInfo, "said", "", c)
		l.Log(l.logger, slog.LevelInfo, "said", "", c)
		if got, want := l.next(), "msg=said n=13 left_out=0\nmsg=said n=14 left_out=0\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
