package loop

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever posts to a loop that is about to sleep, sleeps, or is being woken by a socket or a timer is
// heard: a wake that got lost would hang the test, since nothing else ends that sleep.
func TestNoWakeIsLost(t *testing.T) {
	const producers, rounds = 4, 5000
	r := descriptorKinds()[0].start(t, plenty)
	p, c := r.open(nil)
	r.do(func() { p.onTimeout = func() { p.SetTimer(tick) } })
	var wg sync.WaitGroup
	defer wg.Wait()
	for range producers {
		wg.Go(func() {
			ran := make(chan struct{})
			for i := range rounds {
				switch i % 100 {
				case 0:
					r.loop.Post(func() { p.SetTimer(tick) })
				case 50:
					r.loop.Post(func() { p.SetTimer(0) })
				}
				if i%10 == 0 {
					write(t, c, []byte("x"))
				}
				if !r.loop.Post(func() { ran <- struct{}{} }) {
					t.Error("the loop has stopped")
					return
				}
				select {
				case <-ran:
				case <-time.After(patience):
					t.Error("a posted task does not run")
					return
				}
			}
		})
	}
}

// A wake between arm and sleep ends the sleep, and arm undoes it.
func TestWakeBeforeSleep(t *testing.T) {
	l := still(t, plenty)
	for range 3 {
		if err := l.poller.arm(-1); err != nil {
			t.Fatal(err)
		}
		l.poller.wake()
		if err := l.poller.sleep(); err != nil { // it would hang
			t.Fatal(err)
		}
	}
	l.poller.arm(10 * time.Millisecond)
	begun := time.Now()
	if l.poller.sleep(); time.Since(begun) < 10*time.Millisecond {
		t.Error("a wake has ended the sleep that was armed after it")
	}
}

// What has come is marked whatever ends the sleep, so that timers, which judge next, know of it.
func TestSleepCollects(t *testing.T) {
	for name, end := range map[string]func(p poller){
		"socket":   func(poller) {},
		"wake":     poller.wake,
		"deadline": func(p poller) { p.arm(0) },
	} {
		t.Run(name, func(t *testing.T) {
			l := still(t, plenty)
			ours, theirs := socketPairOf(t, unix.SOCK_STREAM)
			p := &probe{t: t}
			l.Adopt(descriptorOf(ours), nil, p.begin(nil, nil))
			l.steer(t)
			l.steer(t) // takes the events of a new connection
			l.poller.arm(-1)
			write(t, theirs, []byte("x"))
			end(l.poller)
			if err := l.poller.sleep(); err != nil || len(l.ready) != 1 {
				t.Errorf("%d connections are ready, %v; want the one with bytes to read", len(l.ready), err)
			}
		})
	}
}

// A loop that can't wait any more must not spin: Run says so.
func TestRunEndsWithItsPoller(t *testing.T) {
	l, err := New(plenty)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- l.Run(t.Context()) }()
	l.Post(func() { l.poller.(*epoll).file.Close() })
	if err := receive(t, ended); err == nil {
		t.Error("Run has ended in peace")
	}
}

func TestSleepAllocs(t *testing.T) {
	l := still(t, plenty)
	if n := testing.AllocsPerRun(100, func() {
		l.poller.arm(time.Microsecond)
		l.poller.sleep()
	}); n != 0 {
		t.Errorf("a sleep allocates %v times", n)
	}
}
