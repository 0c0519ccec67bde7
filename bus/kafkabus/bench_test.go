package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
)

// BenchmarkPublish measures with as much in flight as the bus takes. For latencies see BenchmarkNodes
// of cmd/stompgw, which has this bus beside bare kafka-go.
func BenchmarkPublish(b *testing.B) {
	for _, server := range []string{"kafka", "fake"} {
		b.Run("server="+server, func(b *testing.B) {
			addr := ""
			if server == "kafka" {
				addr = shared.Kafka(b).Addr
			} else {
				addr = servers.Fake(b, 1).Addrs[0]
			}
			cfg := Config{Brokers: []string{addr}, Topic: fmt.Sprintf("flood.%d", time.Now().UnixNano()), Create: true}
			kb, err := New(cfg, "1/a", slog.New(slog.DiscardHandler))
			must(b, err)
			flood(b, kb, destinations(12))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
			if err := kb.Close(context.Background()); err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkForward measures the same of what goes to a backend, with the headers that tell it who sends, beside the same bodies published
// without headers: by one bus, with as many keys, to topics of as many partitions.
func BenchmarkForward(b *testing.B) {
	broker := shared.Kafka(b)
	topic := fmt.Sprintf("forward.%d", time.Now().UnixNano())
	backend := topic + ".in"
	broker.CreateTopic(b, topic, 12)
	broker.CreateTopic(b, backend, 12)
	kb, err := New(Config{Brokers: []string{broker.Addr}, Topic: topic}, "1/a", slog.New(slog.DiscardHandler))
	must(b, err)
	must(b, kb.Aim([]bus.Target{{Topic: backend}}))
	keys, asked := destinations(12), bus.Envelope{Headers: bustest.AskedHeaders(), Body: make([]byte, 200)}
	for _, way := range []struct {
		name string
		give func(i int, done func(error)) error
	}{
		{"publish", inTurn(kb, keys, asked.Body)},
		{"to", func(i int, done func(error)) error {
			return kb.Forward(bus.Target{Topic: backend, Key: keys[i%len(keys)]}, asked, done)
		}},
	} {
		give(b, way.give, 1) // a topic that nothing has come to is slow
		b.Run("way="+way.name, func(b *testing.B) {
			b.ReportAllocs()
			give(b, way.give, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
		})
	}
	if err := kb.Close(context.Background()); err != nil {
		b.Error(err)
	}
}

func flood(b *testing.B, kb *Bus, to []string) {
	b.ReportAllocs()
	b.ResetTimer()
	publish(b, kb, to, make([]byte, 200), b.N)
}

// publish publishes so many envelopes with a body, and waits for the answers.
func publish(b *testing.B, kb *Bus, to []string, body []byte, count int) {
	give(b, inTurn(kb, to, body), count)
}

// inTurn gives the bus a body for one destination after the other.
func inTurn(kb *Bus, to []string, body []byte) func(i int, done func(error)) error {
	return func(i int, done func(error)) error {
		return kb.Publish(bus.Envelope{Destination: to[i%len(to)], Body: body}, done)
	}
}

// give gives so many envelopes, and waits for the answers.
func give(b *testing.B, one func(i int, done func(error)) error, count int) {
	room := make(chan struct{}, 1)
	var answers sync.WaitGroup
	done := func(err error) {
		if err != nil {
			b.Error(err)
		}
		select {
		case room <- struct{}{}:
		default:
		}
		answers.Done()
	}
	for i := range count {
		answers.Add(1)
		err := one(i, done)
		for ; errors.Is(err, bus.ErrFull); err = one(i, done) {
			<-room
		}
		must(b, err)
	}
	answers.Wait()
}

// BenchmarkAccept measures Publish alone, as two loops call it, to lanes that nobody runs.
func BenchmarkAccept(b *testing.B) {
	c, err := newCluster(Config{Brokers: []string{"nobody:1"}}, []string{"stompgw"})
	must(b, err)
	p := newProducer(c, Config{Queue: 1 << 30, Bytes: 1 << 40}.withDefaults(), "1/a", slog.New(slog.DiscardHandler))
	p.arrange(12, func(*lane) {})
	to := destinations(12)
	body, done := make([]byte, 200), func(error) {}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if i%1000 == 0 {
				for _, l := range p.lanes {
					l.empty()
				}
			}
			must(b, p.publish(bus.Envelope{Destination: to[i%12], Body: body}, done))
		}
	})
}

// BenchmarkDeliver measures what becomes of a batch of 100 records of 200 bytes of body, without history, with some on
// other destinations, and with some on these.
func BenchmarkDeliver(b *testing.B) {
	keeps := map[string]bus.Keep{
		"off":   {},
		"other": {Patterns: []string{"/topic/other"}, Has: func(string) bool { return false }},
		"on":    {Patterns: []string{"/topic/x"}, Has: func(string) bool { return true }},
	}
	for _, history := range []string{"off", "other", "on"} {
		b.Run("history="+history, func(b *testing.B) {
			d, records := newDelivery(0, 100), make([]protocol.Record, 100)
			for i := range records {
				records[i] = protocol.Record(form.Headers.Encode(&bus.Envelope{Destination: "/topic/x", Body: make([]byte, 200)}, "1/a", uint64(i+1)))
			}
			set, delivered := written(b, 0, 0, records...), 0
			kb := &Bus{in: d.fetcher.tail, log: discard}
			kb.Remember(keeps[history])
			d.id = topicID{1}
			d.fetcher.tail.handle = kb.handler(func(bus.Envelope) { delivered++ })
			for b.Loop() {
				d.seen = newRepeats(new(atomic.Uint64))
				d.open(0, time.Time{}, mark{0, -1})
				must(b, d.deliver(set, d.fetcher))
			}
			if delivered != 100*b.N {
				b.Errorf("%d delivered", delivered)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(delivered), "ns/record")
		})
	}
}

// BenchmarkLookAgain measures a look at 10,000 recalls that wait, in a topic of 12 partitions.
func BenchmarkLookAgain(b *testing.B) {
	t := newTail(nil, discard)
	own := &followed{name: "a"}
	for range 12 {
		own.parts = append(own.parts, opened(0, 10, mark{0, 1}))
	}
	t.topics = []*followed{own}
	r := newRecaller(t, func(string) int { return 0 }, nil)
	now := time.Now()
	for range mostRecalls {
		r.waiting = append(r.waiting, &recall{wish: bus.Wish{After: []bus.Position{at(1, 20)}, Told: now}, deadline: now.Add(time.Hour)})
	}
	b.ReportAllocs()
	for b.Loop() {
		r.lookAgain(now)
	}
	if len(r.waiting) != mostRecalls {
		b.Errorf("%d wait", len(r.waiting))
	}
}
