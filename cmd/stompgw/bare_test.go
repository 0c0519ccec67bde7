package main

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/segmentio/kafka-go"
)

// newBareKafka is kafka-go alone, used as well as it can be: for each partition of a new topic a goroutine that
// produces what has come meanwhile, and two that fetch, as there are two nodes that read everything.
func newBareKafka(b *testing.B, addr, topic string, partitions int) *way {
	w := newWay(os.Getpid())
	transport := &kafka.Transport{MetadataTopics: []string{topic}, MetadataTTL: time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	b.Cleanup(func() { cancel(); wg.Wait(); transport.CloseIdleConnections() })
	var lanes []chan int // numbers of messages, by partition
	for partition := range partitions {
		p := barePartition{&kafka.Client{Addr: kafka.TCP(addr), Transport: transport}, topic, partition}
		lane := make(chan int, 1<<14)
		lanes = append(lanes, lane)
		wg.Go(func() { p.produce(ctx, lane) })
		wg.Go(func() { p.fetch(ctx, w.arrivals) })
		wg.Go(func() { p.fetch(ctx, nil) })
	}
	w.send = func(_ *testing.B, first, end int) {
		for n := first; n < end; n++ {
			lanes[n%len(lanes)] <- n
		}
	}
	return w
}

type barePartition struct {
	client    *kafka.Client
	topic     string
	partition int
}

func (p *barePartition) produce(ctx context.Context, lane <-chan int) {
	for {
		var numbers []int
		select {
		case n := <-lane:
			numbers = append(numbers, n)
		case <-ctx.Done():
			return
		}
		for range len(lane) {
			numbers = append(numbers, <-lane)
		}
		for ctx.Err() == nil && !p.write(ctx, numbers) {
		}
	}
}

// write reports whether the broker has taken the messages. It does not at first: a topic that was
// just made has no leader.
func (p *barePartition) write(ctx context.Context, numbers []int) bool {
	records := make([]kafka.Record, len(numbers))
	for i, n := range numbers {
		records[i] = kafka.Record{Key: kafka.NewBytes([]byte(room(n % rooms))), Value: kafka.NewBytes([]byte(text(n)))}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	res, err := p.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: p.topic, Partition: p.partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	return err == nil && res.Error == nil
}

func (p *barePartition) fetch(ctx context.Context, arrivals chan<- arrival) {
	offset := int64(0) // the topic is new
	for ctx.Err() == nil {
		limit, cancel := context.WithTimeout(ctx, 10*time.Second)
		res, err := p.client.Fetch(limit, &kafka.FetchRequest{
			Topic: p.topic, Partition: p.partition, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond,
		})
		cancel()
		if err != nil || res.Error != nil {
			continue // as in write
		}
		for {
			rec, err := res.Records.ReadRecord()
			if err != nil {
				break // the end of the batch
			}
			if rec.Offset < offset {
				continue
			}
			offset = rec.Offset + 1
			if body, err := kafka.ReadAll(rec.Value); err == nil && arrivals != nil {
				arrivals <- arrival{number(string(body)), time.Now()}
			}
		}
	}
}

// newBareNATS is nats.go alone, with a connection to publish and one to receive.
func newBareNATS(b *testing.B, url string) *way {
	w := newWay(os.Getpid())
	writer, reader := connectNATS(b, url), connectNATS(b, url)
	messages := make(chan *nats.Msg, 1<<16)
	for i := range rooms {
		if _, err := reader.ChanSubscribe("bare."+room(i), messages); err != nil {
			b.Fatal(err)
		}
	}
	if err := reader.Flush(); err != nil {
		b.Fatal(err)
	}
	go func() { // until the process ends
		for m := range messages {
			w.arrivals <- arrival{number(string(m.Data)), time.Now()}
		}
	}()
	w.send = func(b *testing.B, first, end int) {
		for i := first; i < end; i++ {
			if err := writer.Publish("bare."+room(i%rooms), []byte(text(i))); err != nil {
				b.Fatal(err)
			}
		}
	}
	return w
}

func connectNATS(b *testing.B, url string) *nats.Conn {
	b.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	return nc
}
