package bustest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// Fake is a bus that accepts what is published, and answers and delivers what a test tells it to.
type Fake struct {
	Receiving chan struct{} // closed by Receive, once it has called ready unless Late
	Late      bool          // ready is not called; set it before Receive
	Ready     func()
	Deliver   func(bus.Envelope)

	mu     sync.Mutex
	refuse error // what Publish answers
	took   []bus.Envelope
	dones  []func(error)
}

// NewFake makes a bus that can deliver everything.
func NewFake() *Fake { return &Fake{Receiving: make(chan struct{})} }

// Publish implements bus.Bus.
func (b *Fake) Publish(e bus.Envelope, done func(error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	b.took = append(b.took, e)
	b.dones = append(b.dones, done)
	return nil
}

// Receive implements bus.Bus.
func (b *Fake) Receive(ctx context.Context, ready func(), deliver func(bus.Envelope)) error {
	b.Ready, b.Deliver = ready, deliver
	if !b.Late {
		ready()
	}
	close(b.Receiving)
	<-ctx.Done()
	return nil
}

// Healthy and Close implement bus.Bus.
func (b *Fake) Healthy() error              { return nil }
func (b *Fake) Close(context.Context) error { return nil }

// RefuseWith makes Publish return err from now on, nil for none.
func (b *Fake) RefuseWith(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = err
}

// Taken returns the envelopes that Publish took.
func (b *Fake) Taken() []bus.Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.took)
}

// Bodies returns the bodies of the envelopes that Publish took.
func (b *Fake) Bodies() (list []string) {
	for _, e := range b.Taken() {
		list = append(list, string(e.Body))
	}
	return list
}

// Settle answers the envelope with index i in Taken.
func (b *Fake) Settle(i int, err error) {
	b.mu.Lock()
	done := b.dones[i]
	b.mu.Unlock()
	done(err)
}

// Forget drops what Publish took.
func (b *Fake) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.took)
	clear(b.dones)
	b.took, b.dones = b.took[:0], b.dones[:0]
}

// FakeNarrower is a Fake that delivers only what is asked for, once a test says that the broker knows.
type FakeNarrower struct {
	*Fake
	calls []string // "watch /topic/a", "unwatch /topic/a"; guarded by mu, as is ready
	ready map[string]func(error)
}

// NewFakeNarrower makes one.
func NewFakeNarrower() *FakeNarrower {
	return &FakeNarrower{Fake: NewFake(), ready: map[string]func(error){}}
}

// Watch implements bus.Narrower.
func (b *FakeNarrower) Watch(watch string, ready func(error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, "watch "+watch)
	b.ready[watch] = ready
}

// Unwatch implements bus.Narrower.
func (b *FakeNarrower) Unwatch(watch string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, "unwatch "+watch)
}

// Watcher returns the ready of the last Watch.
func (b *FakeNarrower) Watcher(watch string) func(error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready[watch]
}

// WantCalls checks the calls since it was last called: "watch /topic/a" and the like.
func (b *FakeNarrower) WantCalls(t testing.TB, calls ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.calls, calls) {
		t.Fatalf("got %q, want %q", b.calls, calls)
	}
	b.calls = nil
}
