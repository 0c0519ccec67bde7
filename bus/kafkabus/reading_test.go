package kafkabus

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// reading is a tail at work, and what it has brought.
type reading struct {
	*tail
	t     *testing.T
	limit <-chan struct{} // closed when waiting makes no sense any more
	ready chan struct{}
	end   func() // ends the tail, and waits for it

	mu      sync.Mutex
	got     map[topicPartition][]read
	total   int
	arrival chan struct{} // closed at the next arrival
	logged  bytes.Buffer
}

type topicPartition struct {
	topic  string
	number int
}

// read is a record that arrived. The bytes are copies.
type read struct {
	offset     int64
	key, value []byte
	headers    []kafka.Header
}

// startReading starts a tail without waiting for it to be ready. before, if set, runs before a
// record is kept.
func startReading(t *testing.T, addrs []string, before func(*wire.Record), topics ...string) *reading {
	t.Helper()
	return start(t, func(*tail) {}, addrs, before, topics...)
}

// start is startReading of a tail that change has changed.
func start(t *testing.T, change func(*tail), addrs []string, before func(*wire.Record), topics ...string) *reading {
	t.Helper()
	r := &reading{
		t:       t,
		limit:   untilDeadline(t).Done(),
		ready:   make(chan struct{}),
		got:     make(map[topicPartition][]read),
		arrival: make(chan struct{}),
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the tail's log:\n%s", &r.logged)
		}
	})
	w := newWork(t, Config{Brokers: addrs}, nil, topics...)
	r.tail, r.end = newTail(w.cluster, slog.New(slog.NewTextHandler(logs{r}, nil))), w.end
	change(r.tail)
	w.start(func(ctx context.Context) {
		r.run(ctx, func() { close(r.ready) }, func(rec *wire.Record, _ *repeats) {
			if before != nil {
				before(rec)
			}
			r.keep(rec)
		})
	})
	return r
}

// logs keeps what a tail logs.
type logs struct{ r *reading }

func (l logs) Write(p []byte) (int, error) {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	return l.r.logged.Write(p)
}

// readFrom starts a tail and waits until it is ready.
func readFrom(t *testing.T, addrs []string, topics ...string) *reading {
	t.Helper()
	r := startReading(t, addrs, nil, topics...)
	r.wait(r.ready, "to be ready")
	return r
}

func (r *reading) keep(rec *wire.Record) {
	got := read{offset: rec.Offset, key: bytes.Clone(rec.Key), value: bytes.Clone(rec.Value)}
	for _, h := range rec.Headers {
		got.headers = append(got.headers, kafka.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	tp := topicPartition{rec.Topic, rec.Partition}
	r.got[tp] = append(r.got[tp], got)
	r.total++
	close(r.arrival)
	r.arrival = make(chan struct{})
}

func (r *reading) wait(c <-chan struct{}, what string) {
	r.t.Helper()
	select {
	case <-c:
	case <-r.limit:
		r.t.Fatalf("waited in vain %s; health: %v; figures: %+v", what, r.healthy(0), r.figures())
	}
}

// until waits until what has arrived is enough, and returns it.
func (r *reading) until(what string, enough func(got map[topicPartition][]read) bool) {
	r.t.Helper()
	for {
		r.mu.Lock()
		arrival, ok := r.arrival, enough(r.got)
		r.mu.Unlock()
		if ok {
			return
		}
		r.wait(arrival, what)
	}
}

// of waits for count records of a partition, and returns all there are.
func (r *reading) of(topic string, number, count int) (got []read) {
	r.t.Helper()
	what := fmt.Sprintf("for %d records of partition %d of %s", count, number, topic)
	r.until(what, func(all map[topicPartition][]read) bool {
		got = all[topicPartition{topic, number}]
		return len(got) >= count
	})
	return got
}

// poll waits until something else than an arrival is true.
func (r *reading) poll(what string, holds func() bool) {
	r.t.Helper()
	poll(r.t, what, holds, func() any { return r.healthy(0) }, func() any { return r.figures() })
}

func values(got []read) (s string) {
	for i, g := range got {
		if i > 0 {
			s += " "
		}
		s += string(g.value)
	}
	return s
}

// writer produces to a cluster, and remembers what was acknowledged.
type writer struct {
	t      *testing.T
	limit  <-chan struct{} // closed when waiting makes no sense any more
	client *kafka.Client

	mu    sync.Mutex
	acked map[topicPartition]map[int64]string // values by offset
}

func newWriter(t *testing.T, addrs []string) *writer {
	t.Helper()
	return &writer{t: t, limit: untilDeadline(t).Done(), client: client(t, addrs...), acked: make(map[topicPartition]map[int64]string)}
}

// try produces values once, and reports whether they were acknowledged.
func (w *writer) try(topic string, number int, values ...string) bool {
	records := make([]kafka.Record, len(values))
	for i, v := range values {
		records[i].Value = kafka.NewBytes([]byte(v))
	}
	return w.produce(topic, number, 0, records...) == nil
}

// must produces values, and tries until they are acknowledged.
func (w *writer) must(topic string, number int, values ...string) {
	w.t.Helper()
	for !w.try(topic, number, values...) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-w.limit:
			w.t.Fatalf("can't produce to partition %d of %s", number, topic)
		}
	}
}

func (w *writer) produce(topic string, number int, compression kafka.Compression, records ...kafka.Record) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	var written []string
	for i := range records {
		v, err := kafka.ReadAll(records[i].Value)
		if err != nil {
			return err
		}
		written = append(written, string(v))
		if v != nil {
			records[i].Value = kafka.NewBytes(v)
		}
	}
	res, err := w.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: number, RequiredAcks: kafka.RequireAll, Compression: compression,
		Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	tp := topicPartition{topic, number}
	if w.acked[tp] == nil {
		w.acked[tp] = make(map[int64]string)
	}
	for i, v := range written {
		w.acked[tp][res.BaseOffset+int64(i)] = v
	}
	return nil
}

// flood produces to every partition without a pause until stop is called.
func (w *writer) flood(topic string, partitions int) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var wg sync.WaitGroup
	for number := range partitions {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if !w.try(topic, number, strconv.Itoa(i)) {
					<-time.After(5 * time.Millisecond)
				}
			}
		})
	}
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	w.t.Cleanup(stop)
	return stop
}

// count returns how many records were acknowledged in a partition.
func (w *writer) count(topic string, number int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked[topicPartition{topic, number}])
}

// checkAll waits until r has everything that was acknowledged from the given offset of each partition
// on, and checks that it came once, in order, and whole. There may be records that nobody was told
// about, but the log has no holes.
func (w *writer) checkAll(r *reading, from int64) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for tp, acked := range w.acked {
		want := 0
		for offset := range acked {
			if offset >= from {
				want = max(want, int(offset-from)+1)
			}
		}
		for i, got := range r.of(tp.topic, tp.number, want) {
			if got.offset != from+int64(i) {
				w.t.Fatalf("%v: record %d has offset %d, want %d", tp, i, got.offset, from+int64(i))
			}
			if v, ok := acked[got.offset]; ok && v != string(got.value) {
				w.t.Fatalf("%v: offset %d holds %q, want %q", tp, got.offset, got.value, v)
			}
		}
	}
}
