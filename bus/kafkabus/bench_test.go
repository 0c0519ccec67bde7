//go:build unix

package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
)

// publisher is what a benchmark publishes with: body goes to a partition, and done runs when the
// broker has it.
type publisher func(destination int, body []byte, done func(error)) error

// BenchmarkLatency measures from Publish to done at a steady rate, beside a client that does the
// least that keeps the order: a goroutine for each partition that hands what waits to kafka-go's
// Client.Produce. Figures are microseconds; cpu is this process's for each envelope.
func BenchmarkLatency(b *testing.B) {
	for _, server := range []string{"kafka", "fake"} {
		for _, partitions := range []int{4, 12, 64} {
			for _, rate := range []int{1000, 10_000} {
				for _, side := range []string{"bare", "bus"} {
					b.Run(fmt.Sprintf("server=%s/partitions=%d/rate=%d/%s", server, partitions, rate, side), func(b *testing.B) {
						addr := benchBroker(b, server)
						topic := "latency." + strconv.FormatInt(time.Now().UnixNano(), 36)
						pub := newBenchPublisher(b, side, addr, topic, partitions)
						steady(b, pub, partitions, 1000, 3000) // connections, and a warm broker
						report(b, steady(b, pub, partitions, rate, b.N))
					})
				}
			}
		}
	}
}

func benchBroker(b *testing.B, server string) string {
	if server == "kafka" {
		return shared.Kafka(b).Addr
	}
	return servers.Fake(b, 1).Addrs[0]
}

func newBenchPublisher(b *testing.B, side, addr, topic string, partitions int) publisher {
	transport := new(kafka.Transport)
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	_, err := client.CreateTopics(b.Context(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}}})
	if err != nil {
		b.Fatal(err)
	}
	if side == "bare" {
		b.Cleanup(transport.CloseIdleConnections)
		return bareClient{client, topic}.publisher(b, partitions)
	}
	transport.CloseIdleConnections()
	return busPublisher(b, Config{Brokers: []string{addr}, Topic: topic}, partitions)
}

func busPublisher(b *testing.B, cfg Config, partitions int) publisher {
	kb, err := New(cfg, "1/a", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := kb.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	to := destinations(partitions)
	return func(destination int, body []byte, done func(error)) error {
		return kb.Publish(bus.Envelope{Destination: to[destination], Body: body}, done)
	}
}

// bareClient is kafka-go alone.
type bareClient struct {
	client *kafka.Client
	topic  string
}

type bareItem struct {
	key, body []byte
	done      func(error)
}

func (it bareItem) record() kafka.Record {
	return kafka.Record{Key: kafka.NewBytes(it.key), Value: kafka.NewBytes(it.body), Headers: []kafka.Header{
		{Key: form.NodeHeader, Value: []byte("1/a")}, {Key: form.SeqHeader, Value: []byte("1")}, {Key: form.DestinationHeader, Value: it.key}}}
}

func (c bareClient) publisher(b *testing.B, partitions int) publisher {
	queues := make([]chan bareItem, partitions)
	var wg sync.WaitGroup
	for i := range queues {
		queues[i] = make(chan bareItem, 4096)
		wg.Go(func() { c.run(i, queues[i]) })
	}
	b.Cleanup(func() {
		for _, q := range queues {
			close(q)
		}
		wg.Wait()
	})
	to := destinations(partitions)
	return func(destination int, body []byte, done func(error)) error {
		queues[destination] <- bareItem{[]byte(to[destination]), body, done}
		return nil
	}
}

func (c bareClient) run(partition int, queue <-chan bareItem) {
	for it := range queue {
		items := []bareItem{it}
		for range len(queue) {
			items = append(items, <-queue)
		}
		records := make([]kafka.Record, len(items))
		for i := range items {
			records[i] = items[i].record()
		}
		err := c.produce(partition, records)
		for errors.Is(err, kafka.NotLeaderForPartition) { // the topic is new
			for i := range items {
				records[i] = items[i].record()
			}
			err = c.produce(partition, records)
		}
		for i := range items {
			items[i].done(err)
		}
	}
}

func (c bareClient) produce(partition int, records []kafka.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	res, err := c.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: c.topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err != nil {
		return err
	}
	return res.Error
}

// course is what steady measures.
type course struct {
	took []time.Duration // of each envelope
	cpu  time.Duration   // of all
}

// steady publishes count envelopes of 200 bytes to all destinations in turn, so many a second.
func steady(b *testing.B, pub publisher, destinations, rate, count int) course {
	took := make([]time.Duration, count)
	body := make([]byte, 200)
	var answers sync.WaitGroup
	begin, busy := time.Now(), cpuTime(b)
	for i := range count {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		answers.Add(1)
		start := time.Now()
		err := pub(i%destinations, body, func(err error) {
			took[i] = time.Since(start)
			if err != nil {
				b.Error(err)
			}
			answers.Done()
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	answers.Wait()
	return course{took, cpuTime(b) - busy}
}

func report(b *testing.B, c course) {
	slices.Sort(c.took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(micros(c.took[len(c.took)/2]), "p50-us")
	b.ReportMetric(micros(c.took[len(c.took)*99/100]), "p99-us")
	b.ReportMetric(micros(c.cpu)/float64(len(c.took)), "cpu-us/op")
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// cpuTime returns what this process has used.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkPublish measures with as much in flight as the bus takes.
func BenchmarkPublish(b *testing.B) {
	for _, server := range []string{"kafka", "fake"} {
		b.Run("server="+server, func(b *testing.B) {
			topic := "flood." + strconv.FormatInt(time.Now().UnixNano(), 36)
			flood(b, newBenchPublisher(b, "bus", benchBroker(b, server), topic, 12), 12)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "envelopes/s")
		})
	}
}

func flood(b *testing.B, pub publisher, destinations int) {
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
		err := pub(i%destinations, body, done)
		for ; errors.Is(err, bus.ErrFull); err = pub(i%destinations, body, done) {
			<-room
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	answers.Wait()
}

// BenchmarkAccept measures Publish alone, as two loops call it, to lanes that nobody runs.
func BenchmarkAccept(b *testing.B) {
	c, err := newCluster(Config{Brokers: []string{"nobody:1"}}, []string{"stompgw"})
	if err != nil {
		b.Fatal(err)
	}
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
			if err := p.publish(bus.Envelope{Destination: to[i%12], Body: body}, done); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkIdle measures a bus that receives and publishes nothing, after it has published to every
// partition: this process's CPU in percent of one, its goroutines, and its sockets.
func BenchmarkIdle(b *testing.B) {
	for _, partitions := range []int{12, 64} {
		b.Run("partitions="+strconv.Itoa(partitions), func(b *testing.B) {
			topic := "idle." + strconv.FormatInt(time.Now().UnixNano(), 36)
			newBenchPublisher(b, "bare", benchBroker(b, "kafka"), topic, partitions)
			to, before := destinations(partitions), runtime.NumGoroutine()
			kb, err := New(Config{Brokers: []string{benchBroker(b, "kafka")}, Topic: topic}, "1/a", slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ready, ended := make(chan struct{}), make(chan error, 1)
			go func() { ended <- kb.Receive(ctx, func() { close(ready) }, func(bus.Envelope) {}) }()
			<-ready
			steady(b, func(destination int, body []byte, done func(error)) error {
				return kb.Publish(bus.Envelope{Destination: to[destination], Body: body}, done)
			}, partitions, 1000, 10*partitions)
			busy, begin := cpuTime(b), time.Now()
			time.Sleep(5 * time.Second)
			used, took := cpuTime(b)-busy, time.Since(begin)
			b.ReportMetric(100*float64(used)/float64(took), "cpu-%")
			b.ReportMetric(float64(runtime.NumGoroutine()-before), "goroutines")
			b.ReportMetric(float64(kb.cluster.conns.count()), "sockets")
			cancel()
			<-ended
			if err := kb.Close(context.Background()); err != nil {
				b.Error(err)
			}
		})
	}
}

// count returns how many connections are open.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
