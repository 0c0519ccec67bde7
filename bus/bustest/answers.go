package bustest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// answers counts how often each done has run.
type answers struct {
	mu     sync.Mutex
	counts map[int]int
	errs   []error // other than nil
}

func (a *answers) done(i int) func(error) {
	return func(err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.counts == nil {
			a.counts = make(map[int]int)
		}
		a.counts[i]++
		if err != nil {
			a.errs = append(a.errs, err)
		}
	}
}

// check reports any of the accepted envelopes whose done did not run once, and any other done.
func (a *answers) check(t *testing.T, accepted map[int]bool) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range accepted {
		if a.counts[i] != 1 {
			t.Errorf("done of envelope %d ran %d times", i, a.counts[i])
		}
	}
	for i := range a.counts {
		if !accepted[i] {
			t.Errorf("done of envelope %d ran, though Publish refused it", i)
		}
	}
}

// testDoneOnce: done runs once for what Publish took, and never for what it refused.
func testDoneOnce(t *testing.T, cluster Cluster) {
	const publishers, each = 4, 500
	n := start(t, cluster, "1/a", nil)
	var got answers
	var mu sync.Mutex
	accepted := make(map[int]bool)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := p * each; i < (p+1)*each; i++ {
				if n.Publish(text("/topic/done", strconv.Itoa(i)), got.done(i)) == nil {
					mu.Lock()
					accepted[i] = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if err := n.Close(untilDeadline(t)); err != nil {
		t.Fatal(err)
	}
	if len(accepted) == 0 {
		t.Error("Publish refused everything")
	}
	got.check(t, accepted)
}

// testFull: behind a broker that does not answer, Publish says ErrFull at some point instead of
// waiting or growing; it accepts again when a done has run; and nothing accepted is lost. Such a
// broker is played by a done that does not return, for everything else would hang on time.
func testFull(t *testing.T, cluster Cluster) {
	const destination, most = "/topic/full", 100_000
	n := start(t, cluster, "1/a", nil, destination)
	hold, done := make(chan struct{}), make(chan struct{}, most+1)
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	if err := n.Publish(text(destination, "0"), func(error) { <-hold; done <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	accepted := 1
	publish := func() error {
		return n.Publish(text(destination, strconv.Itoa(accepted)), func(err error) {
			if err != nil {
				t.Errorf("done: %v", err)
			}
			done <- struct{}{}
		})
	}
	err := publish()
	for ; err == nil && accepted < most; err = publish() {
		accepted++
	}
	if !errors.Is(err, bus.ErrFull) {
		t.Fatalf("after %d envelopes without an answer Publish says %v, want ErrFull", accepted, err)
	}
	release()
	for err != nil {
		n.wait(done, "a done")
		err = publish()
	}
	accepted++
	for i, e := range n.await(destination, accepted) {
		if string(e.Body) != strconv.Itoa(i) {
			t.Fatalf("envelope %d is %s", i, e.Body)
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
	slow.wait(blocked, "its own envelope")
	for i := 1; i < envelopes; i++ {
		slow.send(text(destination, strconv.Itoa(i)))
	}
	other.await(destination, envelopes)
	release()
	for i, e := range slow.await(destination, envelopes) {
		if string(e.Body) != strconv.Itoa(i) {
			t.Fatalf("envelope %d is %s", i, e.Body)
		}
	}
}

// testCloseWaits: Close returns when the dones have run; afterwards Publish says ErrClosed, and
// closing again does no harm.
func testCloseWaits(t *testing.T, cluster Cluster) {
	const envelopes = 100
	n := start(t, cluster, "1/a", nil)
	var got answers
	accepted := make(map[int]bool)
	for i := range envelopes {
		if err := n.Publish(text("/topic/close", strconv.Itoa(i)), got.done(i)); err != nil {
			t.Fatal(err)
		}
		accepted[i] = true
	}
	for range 2 {
		if err := n.Close(untilDeadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	err := n.Publish(text("/topic/close", "late"), got.done(envelopes))
	if !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Publish after Close says %v, want ErrClosed", err)
	}
	got.check(t, accepted)
	if len(got.errs) > 0 {
		t.Errorf("the broker answered, but done heard %v", got.errs[0])
	}
}

// testCloseCutsOff: a Close that may not wait tells each done, as unknown if there is no answer.
func testCloseCutsOff(t *testing.T, cluster Cluster) {
	n := start(t, cluster, "1/a", nil)
	var got answers
	accepted := make(map[int]bool)
	for i := range 100 {
		if err := n.Publish(text("/topic/cut", strconv.Itoa(i)), got.done(i)); err != nil {
			t.Fatal(err)
		}
		accepted[i] = true
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	err := n.Close(ended)
	got.check(t, accepted)
	for _, answer := range got.errs {
		if !errors.Is(answer, bus.ErrUnknown) {
			t.Errorf("done heard %v, want ErrUnknown", answer)
		}
	}
	if err == nil && len(got.errs) > 0 || err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Close says %v after cutting off %d envelopes", err, len(got.errs))
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
