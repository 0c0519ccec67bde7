package natsbus

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

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
		flood(b, inTurn(newBus(b, Config{URL: url}, "1/a", nil), envelopes(headers)))
	})
}

// BenchmarkForward measures the same of what goes to a backend, with the headers that tell it who sends, beside the same bodies published
// without headers: by one bus, to as many subjects, each of which somebody else reads.
func BenchmarkForward(b *testing.B) {
	url := startProcess(b)
	nb := newBus(b, Config{URL: url}, "1/a", nil)
	es := envelopes(0)
	asked := bus.Envelope{Headers: bustest.AskedHeaders(), Body: es[0].Body}
	var to []bus.Target
	for i := range es {
		to = append(to, bus.Target{Subject: "orders." + strconv.Itoa(i)})
	}
	checkErr(b, nb.Aim(to), nil)
	for _, subject := range []string{"orders.>", "stomp.d.>"} {
		_, err := connect(b, url).Subscribe(subject, func(*nats.Msg) {})
		checkErr(b, err, nil)
	}
	for _, way := range []struct {
		name string
		give func(i int, done func(error)) error
	}{
		{"publish", inTurn(nb, es)},
		{"to", func(i int, done func(error)) error { return nb.Forward(to[i%len(to)], asked, done) }},
	} {
		b.Run("way="+way.name, func(b *testing.B) {
			flood(b, way.give)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
		})
	}
}

// BenchmarkPublishHistory measures the same where a stream stores each, and says so.
func BenchmarkPublishHistory(b *testing.B) {
	nb := newBus(b, Config{URL: startProcess(b, "-js", "-sd", b.TempDir())}, "1/a", nil)
	nb.Remember(keeping(100))
	bustest.Eventually(b, "it is healthy", func() bool { return nb.Healthy() == nil })
	flood(b, inTurn(nb, envelopes(1)))
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
	publisher.Go(func() { flood(b, inTurn(nb, es)) })
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

// inTurn gives the bus one of the envelopes after the other.
func inTurn(nb *Bus, es []bus.Envelope) func(i int, done func(error)) error {
	return func(i int, done func(error)) error { return nb.Publish(es[i%len(es)], done) }
}

// flood gives b.N envelopes and waits for the answer to the last.
func flood(b *testing.B, give func(i int, done func(error)) error) {
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
			err := give(i, done)
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
