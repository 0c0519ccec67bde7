package natsbus

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
)

// eachHeaders runs bench with as many headers, on a server in a process of its own, so that its allocations
// do not count.
func eachHeaders(b *testing.B, bench func(b *testing.B, url string, headers int)) {
	for _, headers := range []int{0, 1, 4} {
		b.Run("headers="+strconv.Itoa(headers), func(b *testing.B) {
			bench(b, startProcess(b), headers)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
		})
	}
}

// BenchmarkPublish measures from Publish to done, with as much in flight as the bus takes.
func BenchmarkPublish(b *testing.B) {
	eachHeaders(b, func(b *testing.B, url string, headers int) {
		flood(b, newBus(b, Config{URL: url}, "1/a", nil), envelopes(headers))
	})
}

// BenchmarkPublishHistory measures the same where a stream stores each, and says so.
func BenchmarkPublishHistory(b *testing.B) {
	nb := newBus(b, Config{URL: startProcess(b, "-js", "-sd", b.TempDir())}, "1/a", nil)
	nb.Remember(keeping(100))
	bustest.Eventually(b, "it is healthy", func() bool { return nb.Healthy() == nil })
	flood(b, nb, envelopes(1))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
}

// BenchmarkRoundTrip measures from Publish to deliver on the same node.
func BenchmarkRoundTrip(b *testing.B) { eachHeaders(b, roundTrip) }

func roundTrip(b *testing.B, url string, headers int) {
	nb := newBus(b, Config{URL: url, Inbox: 1 << 20}, "1/a", nil)
	arrived := make(chan struct{}, 4*4096)
	receive(b, nb, func(bus.Envelope) { arrived <- struct{}{} })
	es := envelopes(headers)
	for _, e := range es {
		checkErr(b, watchFor(nb, e.Destination), nil)
	}
	var publisher sync.WaitGroup
	publisher.Go(func() { flood(b, nb, es) })
	for range b.N {
		<-arrived
	}
	publisher.Wait()
}

// envelopes returns one envelope of 200 bytes for each of 16 destinations.
func envelopes(headers int) []bus.Envelope {
	es := make([]bus.Envelope, 16)
	for i := range es {
		es[i] = bus.Envelope{Destination: "/topic/room." + strconv.Itoa(i), Body: make([]byte, 200)}
		for h := range headers {
			es[i].Headers = append(es[i].Headers, bus.Header{Name: "header-" + strconv.Itoa(h), Value: "some value"})
		}
	}
	return es
}

// flood publishes b.N envelopes and waits for the answer to the last.
func flood(b *testing.B, nb *Bus, es []bus.Envelope) {
	room := make(chan struct{}, 1)
	answered, all := 0, make(chan struct{})
	done := func(err error) { // on one goroutine
		if err != nil {
			b.Error(err)
		}
		signal(room)
		if answered++; answered == b.N {
			close(all)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		for {
			err := nb.Publish(es[i%len(es)], done)
			if err == nil {
				break
			}
			if !errors.Is(err, bus.ErrFull) {
				b.Error(err)
				return
			}
			<-room
		}
	}
	<-all
}
