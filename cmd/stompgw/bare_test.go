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

// bareKafka is kafka-go alone, used as well as it can be: for each partition a goroutine that
// produces what has come meanwhile, and two that fetch, as there are two nodes that read everything.
type bareKafka struct {
	lanes    []chan int // numbers of messages, by partition
	arrivals chan arrival
}

// newBareKafka takes a topic that is new.
func newBareKafka(b *testing.B, addr, topic string, partitions int) *bareKafka {
	k := &bareKafka{arrivals: make(chan arrival, 1<<16)}
	transport := &kafka.Transport{MetadataTopics: []string{topic}, MetadataTTL: time.Second}
	c := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	b.Cleanup(func() { cancel(); wg.Wait(); transport.CloseIdleConnections() })
	for partition := range partitions {
		lane := make(chan int, 1<<14)
		k.lanes = append(k.lanes, lane)
		wg.Go(func() { k.produce(ctx, c, topic, partition, lane) })
		wg.Go(func() { k.fetch(ctx, c, topic, partition, k.arrivals) })
		wg.Go(func() { k.fetch(ctx, c, topic, partition, nil) })
	}
	return k
}

func (k *bareKafka) produce(ctx context.Context, c *kafka.Client, topic string, partition int, lane <-chan int) {
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
		for ctx.Err() == nil && !k.write(ctx, c, topic, partition, numbers) {
		}
	}
}

// write reports whether the broker has taken the messages. It does not at first: a topic that was
// just made has no leader.
func (k *bareKafka) write(ctx context.Context, c *kafka.Client, topic string, partition int, numbers []int) bool {
	records := make([]kafka.Record, len(numbers))
	for i, n := range numbers {
		records[i] = kafka.Record{Key: kafka.NewBytes([]byte(room(n % rooms))), Value: kafka.NewBytes([]byte(text(n)))}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	res, err := c.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	return err == nil && res.Error == nil
}

func (k *bareKafka) fetch(ctx context.Context, c *kafka.Client, topic string, partition int, arrivals chan<- arrival) {
	offset := int64(0) // the topic is new
	for ctx.Err() == nil {
		limit, cancel := context.WithTimeout(ctx, 10*time.Second)
		res, err := c.Fetch(limit, &kafka.FetchRequest{
			Topic: topic, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond,
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

func (k *bareKafka) send(_ *testing.B, first, end int) {
	for n := first; n < end; n++ {
		k.lanes[n%len(k.lanes)] <- n
	}
}

func (k *bareKafka) arrived() <-chan arrival { return k.arrivals }

func (k *bareKafka) cpu(b *testing.B) time.Duration { return cpuOf(b, os.Getpid()) }

// bareNATS is nats.go alone, with a connection to publish and one to receive.
type bareNATS struct {
	nc       *nats.Conn
	subjects []string
	arrivals chan arrival
}

func newBareNATS(b *testing.B, url string, subjects int) *bareNATS {
	n := &bareNATS{arrivals: make(chan arrival, 1<<16)}
	n.nc = connectNATS(b, url)
	reader := connectNATS(b, url)
	messages := make(chan *nats.Msg, 1<<16)
	for i := range subjects {
		n.subjects = append(n.subjects, "bare."+room(i))
		if _, err := reader.ChanSubscribe(n.subjects[i], messages); err != nil {
			b.Fatal(err)
		}
	}
	if err := reader.Flush(); err != nil {
		b.Fatal(err)
	}
	go func() { // until the process ends
		for m := range messages {
			n.arrivals <- arrival{number(string(m.Data)), time.Now()}
		}
	}()
	return n
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

func (n *bareNATS) send(b *testing.B, first, end int) {
	for i := first; i < end; i++ {
		if err := n.nc.Publish(n.subjects[i%len(n.subjects)], []byte(text(i))); err != nil {
			b.Fatal(err)
		}
	}
}

func (n *bareNATS) arrived() <-chan arrival { return n.arrivals }

func (n *bareNATS) cpu(b *testing.B) time.Duration { return cpuOf(b, os.Getpid()) }
