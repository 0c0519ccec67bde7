package kafkabus

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// BenchmarkTail reads records of 200 bytes with three headers, of which 1000 are written at a time,
// beside a bare kafka-go client that does the least there is: Client.Fetch, and ReadRecord.
func BenchmarkTail(b *testing.B) {
	for _, reader := range []struct {
		name string
		read func(b *testing.B, addr string) (begin func(count int) <-chan struct{})
	}{{"tail", benchTail}, {"bare", benchBare}} {
		b.Run(reader.name, func(b *testing.B) {
			f := servers.Fake(b, 1)
			if err := f.CreateTopic("a", 1, nil); err != nil {
				b.Fatal(err)
			}
			begin := reader.read(b, f.Addrs[0])
			transport := new(kafka.Transport)
			defer transport.CloseIdleConnections()
			client := &kafka.Client{Addr: kafka.TCP(f.Addrs[0]), Transport: transport}
			const count = 1000
			value := make([]byte, 200)
			records := make([]kafka.Record, count)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				for i := range records {
					records[i] = kafka.Record{Value: kafka.NewBytes(value), Key: kafka.NewBytes([]byte("/topic/chat")), Headers: []kafka.Header{
						{Key: "destination", Value: []byte("/topic/chat")}, {Key: "node", Value: []byte("1/a")}, {Key: "seq", Value: []byte("1")}}}
				}
				done := begin(count)
				b.StartTimer()
				if _, err := client.Produce(b.Context(), &kafka.ProduceRequest{Topic: "a", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)}); err != nil {
					b.Fatal(err)
				}
				<-done
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/record")
		})
	}
}

// counter tells when so many records have come.
type counter struct {
	mu   sync.Mutex
	left int
	done chan struct{}
}

func (c *counter) begin(count int) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.done = count, make(chan struct{})
	return c.done
}

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		close(c.done)
	}
}

func benchTail(b *testing.B, addr string) func(int) <-chan struct{} {
	cluster, err := newCluster(Config{Brokers: []string{addr}}.withDefaults(), []string{"a"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var c counter
	ready := make(chan struct{})
	wg.Go(func() { cluster.run(ctx) })
	wg.Go(func() {
		newTail(cluster, slog.New(slog.DiscardHandler)).run(ctx, func() { close(ready) }, func(*wire.Record, *repeats) { c.add() })
	})
	b.Cleanup(func() {
		cancel()
		wg.Wait()
		cluster.close()
	})
	<-ready
	return c.begin
}

func benchBare(b *testing.B, addr string) func(int) <-chan struct{} {
	transport := new(kafka.Transport)
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var c counter
	b.Cleanup(func() {
		cancel()
		wg.Wait()
		transport.CloseIdleConnections()
	})
	wg.Go(func() {
		for offset := int64(0); ctx.Err() == nil; {
			res, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: "a", Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond})
			if err != nil {
				continue
			}
			offset = bareRead(res, offset, &c)
		}
	})
	return c.begin
}

func bareRead(res *kafka.FetchResponse, offset int64, c *counter) int64 {
	for res.Error == nil {
		r, err := res.Records.ReadRecord()
		if err != nil {
			break
		}
		_, _ = kafka.ReadAll(r.Key)
		_, _ = kafka.ReadAll(r.Value)
		offset = r.Offset + 1
		c.add()
	}
	return offset
}
