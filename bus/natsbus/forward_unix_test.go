//go:build unix

package natsbus

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestForwardInSilence: while a real server says nothing Forward refuses, what was on its way is unknown, and all is well afterwards.
func TestForwardInSilence(t *testing.T) {
	s := servers.NATS(t, 0)
	url := "nats://" + s.Addr
	next := readsAll(t, url, "orders.in")
	b := newBus(t, Config{URL: url, Silence: 100 * time.Millisecond, Deadline: time.Second}, "1/a", nil)
	to := bus.Target{Subject: "orders.in"}
	checkErr(t, b.Aim([]bus.Target{to}), nil)
	forward := func(body string) error {
		answer := make(chan error, 1)
		if err := b.Forward(to, bus.Envelope{Body: []byte(body)}, func(err error) { answer <- err }); err != nil {
			return err
		}
		return <-answer
	}
	bustest.Eventually(t, "it takes what comes", func() bool { return forward("before") == nil })
	s.Signal(t, syscall.SIGSTOP)
	for err := forward("sent"); !errors.Is(err, bus.ErrUnknown); err = forward("sent") { // its threads stop one by one
		checkErr(t, err, nil)
	}
	bustest.Eventually(t, "Forward refuses", func() bool {
		return errors.Is(b.Forward(to, bus.Envelope{Body: []byte("sent")}, func(error) {}), bus.ErrDown)
	})
	s.Signal(t, syscall.SIGCONT)
	bustest.Eventually(t, "it takes what comes again", func() bool { return forward("after") == nil })
	if _, first := next(); string(first) != "before" {
		t.Errorf("the backend's first is %s", first)
	}
	for body := ""; body != "after"; { // what was sent in between is there or not
		_, got := next()
		body = string(got)
	}
}
