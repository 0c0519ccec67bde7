package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
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

func flood(b *testing.B, kb *Bus, to []string) {
	room := make(chan struct{}, 1)
	var answers sync.WaitGroup
	body := make([]byte, 200)
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
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		answers.Add(1)
		publish := func() error { return kb.Publish(bus.Envelope{Destination: to[i%len(to)], Body: body}, done) }
		err := publish()
		for ; errors.Is(err, bus.ErrFull); err = publish() {
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
