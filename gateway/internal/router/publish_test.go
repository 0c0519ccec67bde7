package router

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// waiter is a session that waits for the bus.
type waiter struct{ woken atomic.Int64 }

func (w *waiter) Unblock() { w.woken.Add(1) }

// TestPublishFull: whoever was refused because the bus was full is woken, on its loop, by the done
// of an envelope before it.
func TestPublishFull(t *testing.T) {
	b := bustest.NewFake()
	r := newRig(t, 1, b, b)
	var w waiter
	var dones atomic.Int64
	publish := func() (err error) {
		r.do(0, func(l *Local) {
			err = l.Publish(bus.Target{}, bus.Envelope{Destination: "/topic/a"}, &w, func(error) { dones.Add(1) })
		})
		return err
	}
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	b.RefuseWith(bus.ErrFull)
	if err := publish(); !errors.Is(err, bus.ErrFull) {
		t.Fatalf("got %v", err)
	}
	r.wait()
	if n := w.woken.Load(); n != 0 {
		t.Fatalf("woken %d times before there is room", n)
	}
	b.Settle(0, nil)
	r.wait()
	if n := w.woken.Load(); n != 1 || dones.Load() != 1 {
		t.Fatalf("woken %d times, %d dones", n, dones.Load())
	}
	b.RefuseWith(nil)
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	b.Settle(1, nil)
	r.wait()
	if n := w.woken.Load(); n != 1 {
		t.Errorf("woken %d times, and once was enough", n)
	}
	b.RefuseWith(bus.ErrDown)
	if err := publish(); !errors.Is(err, bus.ErrDown) {
		t.Errorf("got %v", err)
	}
}

// racyBus empties between a Publish that finds it full and the next, so that no done comes later.
type racyBus struct {
	*bustest.Fake
	full bool
}

func (b *racyBus) Publish(e bus.Envelope, done func(error)) error {
	if b.full {
		b.full = false
		b.Settle(0, nil)
		return bus.ErrFull
	}
	return b.Fake.Publish(e, done)
}

func TestPublishWhileTheBusEmpties(t *testing.T) {
	b := &racyBus{Fake: bustest.NewFake()}
	r := newRig(t, 1, b.Fake, b)
	var w waiter
	r.do(0, func(l *Local) {
		if err := l.Publish(bus.Target{}, bus.Envelope{}, &w, func(error) {}); err != nil {
			t.Error(err)
		}
		b.full = true
		if err := l.Publish(bus.Target{}, bus.Envelope{}, &w, func(error) {}); err != nil && w.woken.Load() == 0 {
			t.Errorf("got %v, and nobody will wake the session", err)
		}
	})
}
