package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
)

// newBuses is the buses of two nodes without the nodes: from Publish on one to deliver on the other.
func newBuses(b *testing.B, open func(node string) (bus.Bus, error)) *way {
	w := newWay(os.Getpid())
	from, to := openBus(b, "1/a", open, func(bus.Envelope) {}), openBus(b, "1/b", open, func(e bus.Envelope) {
		w.arrivals <- arrival{number(string(e.Body)), time.Now()}
	})
	if narrower, ok := to.(bus.Narrower); ok {
		var watched sync.WaitGroup
		for i := range rooms {
			watched.Add(1)
			narrower.Watch(room(i), func(err error) {
				if err != nil {
					b.Error(err)
				}
				watched.Done()
			})
		}
		watched.Wait()
	}
	w.send = func(b *testing.B, first, end int) {
		for n := first; n < end; n++ {
			err := from.Publish(bus.Envelope{Destination: room(n % rooms), Body: []byte(text(n))}, func(err error) {
				if err != nil {
					b.Error(err)
				}
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	return w
}

// openBus returns a bus that receives until the test's end.
func openBus(b *testing.B, node string, open func(node string) (bus.Bus, error), deliver func(bus.Envelope)) bus.Bus {
	b.Helper()
	opened, err := open(node)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- opened.Receive(ctx, func() { close(ready) }, deliver) }()
	b.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, opened.Close(context.Background())); err != nil {
			b.Error(err)
		}
	})
	<-ready
	return opened
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }
