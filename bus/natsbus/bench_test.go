package natsbus

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/stompgw/stompgw/bus"
)

// The server runs in a process of its own where there is one, so that its allocations do not count.
func benchmarkURL(b *testing.B, server string) string {
	if server == "process" {
		return startProcess(b)
	}
	return startServer(b, 0).ClientURL()
}

// BenchmarkPublish measures from Publish to done, with as much in flight as the bus takes.
func BenchmarkPublish(b *testing.B) {
	for _, server := range []string{"process", "embedded"} {
		for _, headers := range []int{0, 1, 4} {
			b.Run("server="+server+"/headers="+strconv.Itoa(headers), func(b *testing.B) {
				nb := newBus(b, Config{URL: benchmarkURL(b, server)}, "1/a", nil)
				flood(b, nb, envelopes(headers))
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
			})
		}
	}
}

// BenchmarkRoundTrip measures from Publish to deliver on the same node.
func BenchmarkRoundTrip(b *testing.B) {
	for _, server := range []string{"process", "embedded"} {
		for _, headers := range []int{0, 1, 4} {
			b.Run("server="+server+"/headers="+strconv.Itoa(headers), func(b *testing.B) {
				roundTrip(b, benchmarkURL(b, server), headers)
			})
		}
	}
}

func roundTrip(b *testing.B, url string, headers int) {
	nb := newBus(b, Config{URL: url, Inbox: 1 << 20}, "1/a", nil)
	arrived := make(chan struct{}, 4*4096)
	receive(b, nb, func(bus.Envelope) { arrived <- struct{}{} })
	es := envelopes(headers)
	for _, e := range es {
		awaitWatch(b, nb, e.Destination)
	}
	var publisher sync.WaitGroup
	publisher.Go(func() { flood(b, nb, es) })
	for range b.N {
		<-arrived
	}
	publisher.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
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

// BenchmarkAnswer measures from Publish to done with nothing else in flight.
func BenchmarkAnswer(b *testing.B) {
	for _, server := range []string{"process", "embedded"} {
		b.Run("server="+server, func(b *testing.B) {
			nb := newBus(b, Config{URL: benchmarkURL(b, server)}, "1/a", nil)
			e, answer := envelopes(0)[0], make(chan error, 1)
			done := func(err error) { answer <- err }
			b.ReportAllocs()
			for b.Loop() {
				if err := nb.Publish(e, done); err != nil {
					b.Fatal(err)
				}
				if err := <-answer; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
