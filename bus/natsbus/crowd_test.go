package natsbus

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/stompgw/stompgw/bus"
)

// TestSubscriptionLimit: of more watches than a server has room for on a connection, which does not say
// which one it refuses, as many hear yes as there is room for, and these bring what is published; others
// hear no, at once or later. One that ends makes room.
func TestSubscriptionLimit(t *testing.T) {
	const limit, asked = 10, 40
	eachServer(t, fmt.Sprintf("max_subscriptions: %d", limit), func(t *testing.T, s configured) {
		b := newBus(t, Config{URL: s.url, Linger: time.Millisecond}, "1/a", nil)
		arrived := make(chan bus.Envelope, 1000)
		receive(t, b, func(e bus.Envelope) { arrived <- e })
		type answer struct {
			destination string
			err         error
		}
		answers := make(chan answer, 10*asked)
		watch := func(n int) {
			destination := fmt.Sprint("/topic/", n)
			b.Watch(destination, func(err error) { answers <- answer{destination, err} })
		}
		var published []<-chan error
		for n := range asked {
			published = append(published, publish(t, b, "/topic/a", "x"))
			watch(n)
		}
		for _, answer := range published {
			checkErr(t, <-answer, nil)
		}
		var granted []string
		for range asked {
			if a := <-answers; a.err == nil {
				granted = append(granted, a.destination)
			} else if !errors.Is(a.err, errCrowded) {
				t.Fatal(a.err)
			}
		}
		if len(granted) != limit-1 { // and the node's own
			t.Fatalf("%d of %d watches are granted: %v", len(granted), asked, granted)
		}
		for _, destination := range granted {
			arrives(t, b, bus.Envelope{Destination: destination}, arrived)
		}
		wantReconnects(t, b, 1)
		if watch(asked); (<-answers).err == nil {
			t.Error("one more is granted")
		}
		b.Unwatch(granted[0])
		until(t, func() error { watch(asked); return (<-answers).err })
		arrives(t, b, bus.Envelope{Destination: fmt.Sprint("/topic/", asked)}, arrived)
		wantReconnects(t, b, 1)

		if len(answers) > 0 {
			a := <-answers
			t.Errorf("%s heard %v", a.destination, a.err)
		}
	})
}

// TestSubscriptionLimitOfNext: on a connection to a server that takes fewer than the one before, what is too
// much is taken back, and never the node's own subject. When there is more room later, it is used.
func TestSubscriptionLimitOfNext(t *testing.T) {
	const limit, asked = 10, 40
	first := startServer(t, 0)
	b := newBus(t, Config{URL: first.ClientURL()}, "1/a", nil)
	arrived := make(chan bus.Envelope, 1000)
	receive(t, b, func(e bus.Envelope) { arrived <- e })
	heard := make([]chan error, asked)
	for n := range heard {
		heard[n] = make(chan error, 10)
		b.Watch(fmt.Sprint("/topic/", n), func(err error) { heard[n] <- err })
		checkErr(t, <-heard[n], nil)
	}
	stopServer(first)
	port := portOf(t, first.ClientURL())
	second := startServer(t, port, func(o *server.Options) { o.MaxSubs = limit })
	arrives(t, b, bus.Envelope{Destination: "/queue/x", Principal: "1/a/session/now"}, arrived)
	left := asked
	for left > limit-1 {
		for n := range heard {
			select {
			case err := <-heard[n]:
				if !errors.Is(err, errCrowded) {
					t.Fatal(err)
				}
				heard[n], left = nil, left-1
			default:
			}
		}
		runtime.Gosched()
	}
	for n := range heard {
		if heard[n] != nil {
			arrives(t, b, bus.Envelope{Destination: fmt.Sprint("/topic/", n)}, arrived)
		}
	}
	checkErr(t, b.Healthy(), nil)
	stopServer(second)
	startServer(t, port, func(o *server.Options) { o.MaxSubs = 2 * limit })
	for n := range limit {
		until(t, func() error { return watchFor(b, fmt.Sprint("/more/", n)) })
	}
}
