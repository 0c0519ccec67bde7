package bustest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// answers are what becomes of envelopes that are published.
type answers struct {
	mu    sync.Mutex
	taken map[int]bool // by Publish, or not
	ran   map[int]int  // how often done has
	errs  []error      // that it heard
}

// publish publishes the envelopes of some numbers.
func (a *answers) publish(n *node, from, to int) {
	for i := from; i < to; i++ {
		a.note(i, func(done func(error)) error { return n.Publish(text("/topic/answers", strconv.Itoa(i)), done) })
	}
}

// note has publish publish the envelope of a number.
func (a *answers) note(i int, publish func(done func(error)) error) {
	err := publish(func(err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.ran[i]++
		if err != nil {
			a.errs = append(a.errs, err)
		}
	})
	a.mu.Lock()
	a.taken[i] = err == nil
	a.mu.Unlock()
}

// check reports what Publish took and whose done did not run once, and any other done. At least so many have to be
// taken.
func (a *answers) check(t *testing.T, least int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, taken := range a.taken {
		if taken != (a.ran[i] == 1) || a.ran[i] > 1 {
			t.Errorf("Publish took envelope %d: %t; its done ran %d times", i, taken, a.ran[i])
		}
		if taken {
			least--
		}
	}
	if least > 0 {
		t.Errorf("Publish took %d envelopes less than it should", least)
	}
}

func newAnswers() *answers { return &answers{taken: make(map[int]bool), ran: make(map[int]int)} }

// testDoneOnce: done runs once for what Publish took, before Close returns, and never for what it refused. Afterwards Publish
// says ErrClosed, and closing again does no harm.
func testDoneOnce(t *testing.T, cluster Cluster) {
	const publishers, each = 4, 500
	n, a := start(t, cluster, "1/a", nil), newAnswers()
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() { a.publish(n, p*each, (p+1)*each) })
	}
	wg.Wait()
	for range 2 {
		if err := n.Close(untilDeadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Publish(text("/topic/close", "late"), nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Publish after Close says %v, want ErrClosed", err)
	}
	a.check(t, 100)
	if len(a.errs) > 0 {
		t.Errorf("the broker answered, but done heard %v", a.errs[0])
	}
}

// testFull: behind a broker that does not answer, Publish says ErrFull at some point instead of
// waiting or growing; it accepts again when a done has run; and nothing accepted is lost. Such a
// broker is played by a done that does not return, for everything else would hang on time.
func testFull(t *testing.T, cluster Cluster) {
	const destination = "/topic/full"
	n := start(t, cluster, "1/a", nil, destination)
	n.awaitNumbers(destination, fill(n, func(body string, done func(error)) error {
		return n.Publish(text(destination, body), done)
	}))
}

// fill has publish take numbers from 0 on until it says ErrFull, and one more when a done has run. It returns how many
// it has taken.
func fill(n *node, publish func(body string, done func(error)) error) (taken int) {
	n.t.Helper()
	const most = 100_000
	hold, dones := make(chan struct{}), make(chan struct{}, most+1)
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	done := func(err error) {
		if err != nil {
			n.t.Errorf("done: %v", err)
		}
		dones <- struct{}{}
	}
	err := publish("0", func(err error) { <-hold; done(err) })
	for err == nil && taken < most {
		taken++
		err = publish(strconv.Itoa(taken), done)
	}
	if !errors.Is(err, bus.ErrFull) {
		n.t.Fatalf("after %d envelopes without an answer it says %v, want ErrFull", taken, err)
	}
	release()
	for errors.Is(err, bus.ErrFull) {
		next(n, dones, "a done")
		err = publish(strconv.Itoa(taken), done)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return taken + 1
}

// awaitNumbers waits for so many envelopes on destination, which have to be numbered from 0 on.
func (n *node) awaitNumbers(destination string, count int) {
	n.t.Helper()
	for i, e := range n.await(destination, count) {
		if string(e.Body) != strconv.Itoa(i) {
			n.t.Fatalf("envelope %d is %s", i, e.Body)
		}
	}
}

// testBlockedDeliver: a deliver that does not return holds up neither Publish nor other nodes'
// answers, and what was published meanwhile arrives when it does.
func testBlockedDeliver(t *testing.T, cluster Cluster) {
	const destination, envelopes = "/topic/blocked", 100
	hold, blocked := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	block := sync.OnceFunc(func() { close(blocked) })
	slow := start(t, cluster, "1/slow", func(bus.Envelope) { block(); <-hold }, destination)
	defer release()
	other := start(t, cluster, "1/other", nil, destination)
	slow.send(text(destination, "0"))
	next(slow, blocked, "its own envelope")
	for i := 1; i < envelopes; i++ {
		slow.send(text(destination, strconv.Itoa(i)))
	}
	other.await(destination, envelopes)
	release()
	slow.awaitNumbers(destination, envelopes)
}

// testCloseCutsOff: a Close that may not wait tells each done, as unknown if there is no answer.
func testCloseCutsOff(t *testing.T, cluster Cluster) {
	const envelopes = 100
	n, a := start(t, cluster, "1/a", nil), newAnswers()
	a.publish(n, 0, envelopes)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	err := n.Close(ended)
	a.check(t, envelopes)
	for _, answer := range a.errs {
		if !errors.Is(answer, bus.ErrUnknown) {
			t.Errorf("done heard %v, want ErrUnknown", answer)
		}
	}
	if err == nil && len(a.errs) > 0 || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Close says %v after cutting off %d envelopes", err, len(a.errs))
	}
}

// testReceiveEnds: Receive returns nil when its context ends; publishing goes on.
func testReceiveEnds(t *testing.T, cluster Cluster) {
	n := start(t, cluster, "1/a", nil)
	n.end()
	n.send(text("/topic/after", "x"))
}

// testHealthy: a bus whose broker has just answered is healthy.
func testHealthy(t *testing.T, cluster Cluster) {
	n := start(t, cluster, "1/a", nil)
	n.send(text("/topic/healthy", "x"))
	if err := n.Healthy(); err != nil {
		t.Error(err)
	}
}
