package kafkabus

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// reading is a tail at work, and what it has brought.
type reading struct {
	*tail
	t     *testing.T
	ready chan struct{}
	end   func() // ends the tail, and waits for it

	mu     sync.Mutex
	got    map[topicPartition][]entry
	bodies map[string]int // how often each has come

	lines bustest.Log
}

type topicPartition struct {
	topic  string
	number int
}

// entry is a record as the leader or a reader sees it.
type entry struct {
	partition       int
	offset          int64
	node, key, body string
	seq             uint64
}

func (e entry) String() string { return fmt.Sprintf("%d:%s", e.seq, e.body) }

// sign takes over who published the record.
func (e entry) sign(headers []kafka.Header) entry {
	for _, h := range headers {
		switch h.Key {
		case form.NodeHeader:
			e.node = string(h.Value)
		case form.SeqHeader:
			e.seq, _ = strconv.ParseUint(string(h.Value), 10, 64)
		}
	}
	return e
}

// startReading starts a tail without waiting for it to be ready. before, if set, runs before a
// record is kept.
func startReading(t *testing.T, addrs []string, before func(*wire.Record), topics ...string) *reading {
	t.Helper()
	return start(t, func(*tail) {}, Config{Brokers: addrs}, before, topics...)
}

// start is startReading of a tail that change has changed.
func start(t *testing.T, change func(*tail), cfg Config, before func(*wire.Record), topics ...string) *reading {
	t.Helper()
	r := &reading{t: t, ready: make(chan struct{}), got: make(map[topicPartition][]entry), bodies: make(map[string]int)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the tail's log:\n%s", r.log())
		}
	})
	w := newWork(t, cfg, nil, topics...)
	r.tail, r.end = newTail(w.cluster, slog.New(slog.NewTextHandler(&r.lines, nil))), w.end
	change(r.tail)
	w.start(func(ctx context.Context) {
		r.run(ctx, func() { close(r.ready) }, func(rec *wire.Record, _ *partition) {
			if before != nil {
				before(rec)
			}
			r.keep(rec)
		})
	})
	return r
}

// readFrom starts a tail and waits until it is ready.
func readFrom(t *testing.T, addrs []string, topics ...string) *reading {
	t.Helper()
	r := startReading(t, addrs, nil, topics...)
	r.wait(r.ready, "to be ready")
	return r
}

func (r *reading) keep(rec *wire.Record) {
	e := entry{partition: rec.Partition, offset: rec.Offset, key: string(rec.Key), body: string(rec.Value)}.sign(rec.Headers)
	r.mu.Lock()
	defer r.mu.Unlock()
	tp := topicPartition{rec.Topic, rec.Partition}
	r.got[tp] = append(r.got[tp], e)
	r.bodies[e.body]++
}

func (r *reading) wait(c <-chan struct{}, what string) {
	r.t.Helper()
	select {
	case <-c:
	case <-untilDeadline(r.t).Done():
		r.t.Fatalf("waited in vain %s; health: %v; figures: %+v", what, r.healthy(0), r.figures())
	}
}

// of waits for count records of a partition, and returns all there are.
func (r *reading) of(topic string, number, count int) (got []entry) {
	r.t.Helper()
	r.poll(fmt.Sprintf("for %d records of partition %d of %s", count, number, topic), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		got = r.got[topicPartition{topic, number}]
		return len(got) >= count
	})
	return got
}

// want waits until exactly that has come of a partition.
func (r *reading) want(topic string, number int, bodies ...string) {
	r.t.Helper()
	if got, want := values(r.of(topic, number, len(bodies))), strings.Join(bodies, " "); got != want {
		r.t.Errorf("partition %d of %s: got %.200q, want %q", number, topic, got, want)
	}
}

// wantSources waits until the sources are like that: each is a topic, and a part of what is amiss.
func (r *reading) wantSources(want ...string) {
	r.t.Helper()
	r.poll("until the sources are "+strings.Join(want, ", "), func() bool {
		for i, s := range r.sources() {
			topic, fault, amiss := strings.Cut(want[i], ": ")
			if s.Topic != topic || (s.Err != nil) != amiss || !strings.Contains(errorText(s.Err), fault) {
				return false
			}
		}
		return true
	})
}

// wantLogged waits until the tail has told that.
func (r *reading) wantLogged(text string) {
	r.t.Helper()
	r.poll("until the log has "+text, func() bool { return strings.Contains(r.log(), text) })
}

func (r *reading) log() string { return r.lines.String() }

// unfit returns what is amiss with the node as a whole.
func (r *reading) unfit() string { return errorText(cmp.Or(r.cluster.healthy(), r.healthy(time.Hour))) }

// each waits until so many different bodies have come, and returns all records by partition.
func (r *reading) each(bodies int) (all []entry) {
	r.t.Helper()
	r.poll(fmt.Sprintf("for %d bodies", bodies), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.bodies) >= bodies
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, got := range r.got {
		all = append(all, got...)
	}
	return all
}

// poll waits until something else than an arrival is true.
func (r *reading) poll(what string, holds func() bool) {
	r.t.Helper()
	poll(r.t, what, holds, func() any { return r.healthy(0) }, func() any { return r.figures() })
}

func values(got []entry) string {
	var bodies []string
	for _, e := range got {
		bodies = append(bodies, e.body)
	}
	return strings.Join(bodies, " ")
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
	return w.produce(topic, number, records...) == nil
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

func (w *writer) produce(topic string, number int, records ...kafka.Record) error {
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
		Topic: topic, Partition: number, RequiredAcks: kafka.RequireAll,
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
			if v, ok := acked[got.offset]; ok && v != got.body {
				w.t.Fatalf("%v: offset %d holds %q, want %q", tp, got.offset, got.body, v)
			}
		}
	}
}
