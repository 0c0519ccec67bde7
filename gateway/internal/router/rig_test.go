package router

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/destination"
	"github.com/stompgw/stompgw/gateway/internal/loop"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry"
	"github.com/stompgw/stompgw/gateway/stomp"
)

// rig is a router over loops that run, and a bus of the test.
type rig struct {
	t      testing.TB
	router *Router
	loops  []*loop.Loop
	bus    *bustest.Fake
	logs   strings.Builder // what the bus's goroutines lead to
}

// newRig starts a router over n loops. outer is what the router sees of b.
func newRig(t testing.TB, n int, b *bustest.Fake, outer bus.Bus) *rig {
	t.Helper()
	rules, err := policy.New(policy.Rules{Prefixes: policy.DefaultPrefixes(), ErrorDestination: "/session/queue/errors"})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, bus: b}
	for range n {
		l, err := loop.New(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		r.loops = append(r.loops, l)
	}
	r.router = New(registry.NewNode(time.Now()), outer, rules, r.loops, slog.New(slog.NewTextHandler(&r.logs, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	for _, l := range r.loops {
		wg.Go(func() { l.Run(ctx) })
	}
	wg.Go(func() { r.router.Run(ctx) })
	<-b.Receiving
	return r
}

// do runs fn on loop i, and returns when it and all it has posted have run.
func (r *rig) do(i int, fn func(l *Local)) {
	for _, task := range []func(*Local){fn, func(*Local) {}, func(*Local) {}} {
		ran := make(chan struct{})
		r.loops[i].Post(func() { task(r.router.Local(i)); close(ran) })
		<-ran
	}
}

// wait returns when all loops have done what was posted to them.
func (r *rig) wait() {
	for i := range r.loops {
		r.do(i, func(*Local) {})
	}
}

// reader is a subscription that keeps what it is given.
type reader struct {
	Subscription
	rig   *rig
	loop  int
	got   []string
	seqs  []uint64
	ready []error
	shun  string   // the destination that it is not admitted to
	asked []string // what Admits was asked about
	ended int
}

// subscribe adds a subscription on loop i: by pattern, if it reads as one.
func (r *rig) subscribe(i int, id, text string) *reader {
	r.t.Helper()
	s := &reader{rig: r, loop: i, Subscription: Subscription{ID: id, Destination: text, Version: stomp.V12, Framing: bare{}}}
	s.Outlet = s
	if destination.IsPattern(text) {
		s.Pattern = parse(r.t, text)
	}
	r.do(i, func(l *Local) { l.Subscribe(&s.Subscription, func(err error) { s.ready = append(s.ready, err) }) })
	return s
}

func parse(t testing.TB, text string) *destination.Pattern {
	t.Helper()
	p, err := destination.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func (s *reader) unsubscribe() {
	s.rig.do(s.loop, func(l *Local) { l.Unsubscribe(&s.Subscription) })
}

func (s *reader) Deliver(sub *Subscription, seq uint64, packed []byte) bool {
	if sub != &s.Subscription {
		s.rig.t.Errorf("a message for %q came to %q", sub.ID, s.ID)
	}
	s.got, s.seqs = append(s.got, string(packed)), append(s.seqs, seq)
	return true
}

func (s *reader) Admits(sub *Subscription, destination string) bool {
	if sub != &s.Subscription {
		s.rig.t.Errorf("a question about %q came to %q", sub.ID, s.ID)
	}
	s.asked = append(s.asked, destination)
	return destination != s.shun
}

func (s *reader) Missed(*Subscription, uint32) { s.got = append(s.got, "hole") }

func (s *reader) Ended(sub *Subscription) {
	if sub != &s.Subscription {
		s.rig.t.Errorf("the end of %q came to %q", sub.ID, s.ID)
	}
	s.ended++
	s.rig.router.Local(s.loop).Unsubscribe(sub)
}

// read returns what came since the last read.
func (s *reader) read() (got []string) {
	s.rig.do(s.loop, func(*Local) { got, s.got = s.got, nil })
	return got
}

// bare packs nothing, wrapped marks what it packs.
type bare struct{}

func (bare) Append(dst []byte, _ bool, head, rest []byte) []byte {
	return append(append(dst, head...), rest...)
}
func (bare) Overhead() int { return 0 }

type wrapped struct{}

func (wrapped) Append(dst []byte, text bool, head, rest []byte) []byte {
	if text {
		dst = append(dst, "text:"...)
	} else {
		dst = append(dst, "binary:"...)
	}
	return append(append(dst, head...), rest...)
}
func (wrapped) Overhead() int { return len("binary:") }
