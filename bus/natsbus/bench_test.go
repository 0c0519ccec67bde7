package natsbus

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

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

// BenchmarkLatency measures from Publish on one node to deliver on another, beside nats.go alone, at
// a fixed rate. b.N is the number of envelopes, so run it with -benchtime 10000x or so.
func BenchmarkLatency(b *testing.B) {
	url := benchmarkURL(b, "process")
	for _, rate := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("rate=%d/way=bare", rate), func(b *testing.B) {
			arrived := make(chan *nats.Msg, 1<<16)
			publisher, reader := connect(b, url), connect(b, url)
			if _, err := reader.ChanSubscribe("bare", arrived); err != nil {
				b.Fatal(err)
			}
			if err := reader.Flush(); err != nil {
				b.Fatal(err)
			}
			came := make(chan time.Time, 1<<16)
			go func() {
				for range b.N {
					<-arrived
					came <- time.Now()
				}
			}()
			paced(b, rate, came, func(body []byte) error { return publisher.Publish("bare", body) })
		})
		b.Run(fmt.Sprintf("rate=%d/way=bus", rate), func(b *testing.B) {
			publisher, reader := newBus(b, Config{URL: url}, "1/a", nil), newBus(b, Config{URL: url}, "1/b", nil)
			came := make(chan time.Time, 1<<16)
			receive(b, reader, func(bus.Envelope) { came <- time.Now() })
			awaitWatch(b, reader, "/topic/a")
			paced(b, rate, came, func(body []byte) error {
				return publisher.Publish(bus.Envelope{Destination: "/topic/a", Body: body}, func(error) {})
			})
		})
	}
}

// paced publishes b.N bodies of 200 bytes, one after the other in even steps, and reports how long
// they took until they came.
func paced(b *testing.B, rate int, came <-chan time.Time, publish func(body []byte) error) {
	b.Helper()
	sent := make([]time.Time, b.N)
	var publisher sync.WaitGroup
	b.ResetTimer()
	publisher.Go(func() {
		const step = time.Millisecond
		tick := time.NewTicker(step)
		defer tick.Stop()
		begin := time.Now()
		for next := 0; next < b.N; {
			now := <-tick.C
			for end := min(b.N, int(now.Sub(begin).Seconds()*float64(rate))+1); next < end; next++ {
				sent[next] = time.Now()
				if err := publish(make([]byte, 200)); err != nil {
					b.Error(err)
				}
			}
		}
	})
	took := make([]time.Duration, b.N)
	for i := range took { // in the order of sending
		took[i] = (<-came).Sub(sent[i])
	}
	publisher.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(0, "ns/op") // the rate says it
}
