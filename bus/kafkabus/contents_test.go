package kafkabus

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// forEachKafka runs a test on the fake brokers and on a real one, with a topic of its own.
func forEachKafka(t *testing.T, partitions int, settings map[string]string, test func(t *testing.T, addrs []string, topic string)) {
	t.Run("fake", func(t *testing.T) {
		f := fake(t, 3, "other", 1)
		must(t, f.CreateTopic("contents", int32(partitions), settings))
		test(t, f.Addrs, "contents")
	})
	t.Run("real", func(t *testing.T) {
		b := shared.Kafka(t)
		topic := fmt.Sprintf("contents-%d", time.Now().UnixNano())
		var list []string
		for k, v := range settings {
			list = append(list, k+"="+v)
		}
		b.CreateTopic(t, topic, partitions, list...)
		test(t, []string{b.Addr}, topic)
	})
}

// TestLarge: a record larger than what a fetch asks for of a partition arrives, and so do those beside it of more
// partitions than an answer holds.
func TestLarge(t *testing.T) {
	settings := map[string]string{limitName: "10000000"}
	forEachKafka(t, 40, settings, func(t *testing.T, addrs []string, topic string) {
		hold := make(chan struct{})
		r := startReading(t, addrs, func(*wire.Record) { <-hold }, topic)
		r.wait(r.ready, "to be ready")
		w := newWriter(t, addrs)
		w.must(topic, 0, "small", "1")
		w.must(topic, 0, strings.Repeat("0123456789abcdef", 4<<20/16))
		for i := range 40 {
			w.must(topic, i, strings.Repeat("x", 600<<10), "beside")
		}
		close(hold)
		w.checkAll(r, 0)
	})
}

// TestTransactions: the marks of transactions are no records, and reading goes on past them, also
// when there is nothing else. What was aborted arrives like anything else.
func TestTransactions(t *testing.T) {
	forEachKafka(t, 1, nil, func(t *testing.T, addrs []string, topic string) {
		r := readFrom(t, addrs, topic)
		client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic),
			kgo.RecordPartitioner(kgo.ManualPartitioner()))
		must(t, err)
		defer client.Close()
		transaction := func(end kgo.TransactionEndTry, values ...string) {
			t.Helper()
			must(t, client.BeginTransaction())
			for _, v := range values {
				must(t, client.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr())
			}
			must(t, client.EndTransaction(t.Context(), end))
		}
		transaction(kgo.TryCommit, "a", "b")
		transaction(kgo.TryAbort, "c")
		transaction(kgo.TryCommit, "d")
		r.want(topic, 0, "a", "b", "c", "d")
		r.poll("for the lag to go, past the last mark", func() bool { return r.figures().Partitions[0].Lag == 0 })
		w := newWriter(t, addrs)
		w.must(topic, 0, "e")
		r.want(topic, 0, "a", "b", "c", "d", "e")
		if f := r.figures(); f.Skipped+f.Gaps+f.Missed > 0 {
			t.Errorf("figures %+v", f)
		}
	})
}

// TestCompacted: holes that compaction leaves are no loss.
func TestCompacted(t *testing.T) {
	f := fake(t, 1, "other", 1)
	must(t, f.CreateTopic("a", 1, map[string]string{"cleanup.policy": "compact"}))
	hold, blocked := make(chan struct{}), make(chan struct{}, 100)
	r := startReading(t, f.Addrs, func(*wire.Record) { blocked <- struct{}{}; <-hold }, "a")
	r.wait(r.ready, "to be ready")
	w := newWriter(t, f.Addrs)
	put := func(key, value string) {
		t.Helper()
		must(t, w.produce("a", 0, kafka.Record{Key: kafka.NewBytes([]byte(key)), Value: kafka.NewBytes([]byte(value))}))
	}
	put("k", "0")
	r.wait(blocked, "for the first record")
	for i := range 20 {
		put("k"+strconv.Itoa(i%3), strconv.Itoa(i))
	}
	f.Compact()
	close(hold)
	put("last", "x")
	r.poll("for the last record", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.bodies["x"] > 0 })
	if got := len(r.of("a", 0, 2)); got > 20 {
		t.Errorf("got %d records: nothing was compacted", got)
	}
	if f := r.figures(); f.Gaps+f.Missed+f.Skipped > 0 {
		t.Errorf("figures %+v", f)
	}
}

// TestOldBrokers: brokers that offer less than this node can use are written and read all the same, through
// changes of leaders, and when a topic is made again.
func TestOldBrokers(t *testing.T) {
	for name, versions := range map[string]*kversion.Versions{
		"0.11": kversion.V0_11_0(), "2.2": kversion.V2_2_0(), "2.7": kversion.V2_7_0(), "3.0": kversion.V3_0_0(),
	} {
		t.Run(name, func(t *testing.T) {
			f := servers.Fake(t, 3, kfake.MaxVersions(versions), kfake.SeedTopics(4, "stompgw"))
			r := readFrom(t, f.Addrs, "stompgw")
			log := newOutlet(t, Config{Brokers: f.Addrs, Queue: 256}, nil).publishing(500, func(c *crowd) {
				for range 3 {
					c.more()
					f.ShufflePartitionLeaders()
				}
			}).check(r, false)
			must(t, f.DeleteTopic("stompgw"))
			r.poll("for the partitions to go", func() bool { return len(r.figures().Partitions) == 0 })
			must(t, f.CreateTopic("stompgw", 1, nil))
			newWriter(t, f.Addrs).must("stompgw", 0, "new")
			had := 0
			for _, e := range log {
				if e.partition == 0 {
					had++
				}
			}
			if got := r.of("stompgw", 0, had+1)[had]; got.body != "new" || got.offset != 0 {
				t.Errorf("got %q at offset %d", got.body, got.offset)
			}
		})
	}
}
