package kafkabus

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// TestRetention: when the broker removes what was not read, reading goes on behind it, and the gap
// is counted and logged.
func TestRetention(t *testing.T) {
	f := fake(t, 3, "a", 2)
	hold, blocked := make(chan struct{}), make(chan struct{}, 100)
	r := startReading(t, f.Addrs, func(*wire.Record) { blocked <- struct{}{}; <-hold }, "a")
	r.wait(r.ready, "to be ready")
	w := newWriter(t, f.Addrs)
	w.must("a", 1, "0")
	r.wait(blocked, "for the first record")
	for i := 1; i < 10; i++ {
		w.must("a", 1, strconv.Itoa(i))
	}
	must(t, f.DeleteRecords("a", 1, 7))
	close(hold)
	r.want("a", 1, "0", "7", "8", "9")
	if f := r.figures(); f.Gaps != 1 || f.Missed != 6 {
		t.Errorf("%d gaps and %d missed, want 1 and 6", f.Gaps, f.Missed)
	}
	if log := r.log(); strings.Count(log, "records were removed") != 1 || !strings.Contains(log, "missed=6") {
		t.Errorf("the log does not tell of it once: %s", log)
	}
}

// TestMadeAgain: a topic that is deleted, and made again with fewer partitions, is read from its first record,
// and its partitions leave the figures meanwhile.
func TestMadeAgain(t *testing.T) {
	f := fake(t, 3, "a", 3)
	r := readFrom(t, f.Addrs, "a")
	w := newWriter(t, f.Addrs)
	for i := range 30 {
		w.must("a", i%3, "old")
	}
	w.checkAll(r, 0)
	must(t, f.DeleteTopic("a"))
	r.poll("for the partitions to go", func() bool { return len(r.figures().Partitions) == 0 })
	must(t, f.CreateTopic("a", 2, nil))
	for number := range 2 {
		w.must("a", number, "0", "1", "2", "3", "4")
		got := r.of("a", number, 15)[10:]
		if values(got) != "0 1 2 3 4" || got[0].offset != 0 {
			t.Errorf("got %q from offset %d on", values(got), got[0].offset)
		}
	}
	r.poll("for the third partition to go", func() bool { return len(r.figures().Partitions) == 2 })
	if f := r.figures(); f.Gaps != 2 || f.Missed != 0 {
		t.Errorf("figures %+v, want a gap in each of the two partitions", f)
	}
}

// TestMadeAgainLonger: a topic that was not seen to be away, and has more records than before when it is looked at
// again, is known by its identity.
func TestMadeAgainLonger(t *testing.T) {
	forEachKafka(t, 2, nil, func(t *testing.T, addrs []string, topic string) {
		r := readFrom(t, addrs, topic)
		w := newWriter(t, addrs)
		for i := range 10 {
			w.must(topic, i%2, "old")
		}
		w.checkAll(r, 0)
		recreate(t, w.client, topic, 2)
		for i := range 2 {
			w.must(topic, i, "0", "1", "2", "3", "4", "5", "6", "7")
			got := r.of(topic, i, 5+8)[5:]
			if values(got) != "0 1 2 3 4 5 6 7" || got[0].offset != 0 {
				t.Errorf("partition %d: got %q from offset %d on", i, values(got), got[0].offset)
			}
		}
		if f := r.figures(); f.Gaps != 2 {
			t.Errorf("figures %+v, want a gap in each partition", f)
		}
	})
}

// TestMadeAgainBehindOurBack: the same, while this node was too slow to see that the topic was away.
func TestMadeAgainBehindOurBack(t *testing.T) {
	f := fake(t, 1, "a", 1)
	brokers, addrs := f.Cluster, f.Addrs
	hold, blocked := make(chan struct{}), make(chan struct{}, 1)
	r := startReading(t, f.Addrs, func(rec *wire.Record) {
		if string(rec.Value) == "block" {
			blocked <- struct{}{}
			<-hold
		}
	}, "a")
	r.wait(r.ready, "to be ready")
	w := newWriter(t, f.Addrs)
	w.must("a", 0, "old", "block")
	r.wait(blocked, "for the second record")
	brokers.ControlKey(kmsg.Metadata.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		req := kreq.(*kmsg.MetadataRequest)
		if req.Version >= topicIDsVersion {
			return nil, nil, false
		}
		return withoutLeader(brokers, addrs, req, "a", 1, -1), nil, true // the polled view shows no change
	})
	recreate(t, w.client, "a", 1)
	w.must("a", 0, "0", "1", "2", "3")
	<-time.After(2 * unwatched) // it is the time that tells this node to look
	close(hold)
	r.want("a", 0, "old", "block", "0", "1", "2", "3")
	if f := r.figures(); f.Gaps != 1 {
		t.Errorf("figures %+v, want a gap", f)
	}
}

// recreate deletes a topic and makes it again.
func recreate(t *testing.T, client *kafka.Client, topic string, partitions int) {
	t.Helper()
	ctx := untilDeadline(t)
	bustest.Eventually(t, "the topic is deleted", func() bool { // once the brokers know who controls them
		deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		return err == nil && (deleted.Errors[topic] == nil || errors.Is(deleted.Errors[topic], kafka.UnknownTopicOrPartition))
	})
	again := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	for {
		res, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{again}})
		if err == nil && res.Errors[topic] == nil {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("the topic can't be made again:", err, res)
		}
	}
}

// TestRelocate: where reading goes on when the log is not what it was.
func TestRelocate(t *testing.T) {
	unknown := mark{-1, -1}
	for _, test := range []struct {
		name         string
		epoch        int32 // that was seen last; the offset is 100
		returned     bool
		first, last  mark
		end          mark
		want         int64
		gaps, missed uint64
	}{
		{"retention has passed by", 3, false, mark{offset: 150}, mark{200, 3}, unknown, 150, 1, 50},
		{"all was removed", 3, false, mark{offset: 200}, mark{200, 3}, unknown, 200, 1, 100},
		{"nothing has happened", 3, false, mark{offset: 10}, mark{200, 3}, unknown, 100, 0, 0},
		{"it was away", 3, true, mark{offset: 10}, mark{100, 3}, unknown, 100, 0, 0},
		{"it was away, and another broker leads", 3, true, mark{offset: 10}, mark{200, 5}, unknown, 100, 0, 0},
		{"made again", 0, true, mark{offset: 0}, mark{20, 0}, unknown, 0, 1, 0},
		{"made again unseen", 0, false, mark{offset: 0}, mark{20, 0}, unknown, 0, 1, 0},
		{"made again, with leaders that have changed", 0, true, mark{offset: 0}, mark{20, 4}, unknown, 0, 1, 0},
		{"made again, and longer than before", 3, true, mark{offset: 0}, mark{500, 1}, unknown, 100, 0, 0},
		{"a broker that tells no epochs, longer", 3, true, mark{offset: 0}, mark{500, -1}, unknown, 100, 0, 0},
		{"a broker that tells no epochs, shorter", 3, false, mark{offset: 0}, mark{50, -1}, unknown, 0, 1, 0},
		{"made again, some of it removed", 3, true, mark{offset: 5}, mark{50, 1}, unknown, 5, 1, 0},
		{"its end was lost with a leader", 3, false, mark{offset: 10}, mark{90, 5}, unknown, 90, 1, 0},
		{"its end was lost, and what came after is known", 3, false, mark{offset: 10}, mark{95, 5}, mark{90, 3}, 90, 1, 0},
		{"its end was lost, and it is longer again", 3, false, mark{offset: 10}, mark{200, 5}, mark{90, 3}, 90, 1, 0},
		{"all of the epoch was lost", 3, false, mark{offset: 10}, mark{200, 5}, mark{60, 2}, 60, 1, 0},
		{"an end that is older than the first", 3, false, mark{offset: 80}, mark{200, 5}, mark{60, 2}, 80, 1, 0},
		{"a new leader that has everything", 3, false, mark{offset: 10}, mark{200, 5}, mark{100, 3}, 100, 0, 0},
		{"made again, longer, with a later epoch", 3, true, mark{offset: 0}, mark{200, 5}, mark{90, 3}, 0, 1, 0},
		{"a broker that tells of another epoch", 3, false, mark{offset: 10}, mark{200, 5}, mark{0, 5}, 100, 0, 0},
		{"a broker that tells no epochs", -1, false, mark{offset: 0}, mark{20, -1}, unknown, 0, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			tail := newTail(nil, slog.New(slog.DiscardHandler))
			p := newPartition("a", 0, nil)
			p.place, p.returned, p.epoch = unsure, test.returned, test.epoch
			p.offset.Store(100)
			newFetcher(tail, share{broker: 1}).relocate(p, sight{first: test.first, last: test.last, end: test.end})
			if p.offset.Load() != test.want || p.place != known || p.returned {
				t.Errorf("goes on at %d, want %d; place %d", p.offset.Load(), test.want, p.place)
			}
			wantEpoch := max(test.epoch, test.last.epoch)
			if test.want == test.first.offset && test.missed == 0 { // it was made again
				wantEpoch = test.last.epoch
			}
			if p.epoch != wantEpoch {
				t.Errorf("the epoch is %d, want %d", p.epoch, wantEpoch)
			}
			if gaps, missed := tail.gaps.Load(), tail.missed.Load(); gaps != test.gaps || missed != test.missed {
				t.Errorf("%d gaps, %d missed, want %d and %d", gaps, missed, test.gaps, test.missed)
			}
			if test.want != 100 && p.resume.After(time.Now()) {
				t.Error("it waits before it goes on")
			}
		})
	}
}

// TestRelocateByIdentity: where brokers tell the identity of topics, it alone tells which was made
// again.
func TestRelocateByIdentity(t *testing.T) {
	unknown := mark{-1, -1}
	one, other, unnamed := topicID{1}, topicID{2}, topicID{}
	for _, test := range []struct {
		name      string
		was, is   topicID
		epoch     int32 // that was seen last; the offset is 100
		last, end mark
		want      int64
	}{
		{"the same", one, one, 3, mark{200, 3}, mark{200, 3}, 100},
		{"the same, with an older epoch", one, one, 3, mark{200, 1}, unknown, 100},
		{"the same, shorter", one, one, 3, mark{90, 3}, unknown, 90},
		{"another, longer", one, other, 3, mark{200, 3}, mark{200, 3}, 10},
		{"another, shorter, with a later epoch", one, other, 3, mark{90, 5}, mark{80, 3}, 10},
		{"unknown before", unnamed, one, 3, mark{200, 3}, mark{200, 3}, 100},
		{"unknown now", one, unnamed, 3, mark{200, 3}, mark{200, 3}, 100},
		{"unknown, with an older epoch", unnamed, unnamed, 3, mark{200, 1}, unknown, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPartition("a", 0, nil)
			p.place, p.id, p.returned, p.epoch = unsure, test.was, true, test.epoch
			p.offset.Store(100)
			newFetcher(newTail(nil, slog.New(slog.DiscardHandler)), share{broker: 1}).relocate(p, sight{first: mark{offset: 10}, last: test.last, end: test.end, id: test.is})
			if known := cmp.Or(test.is, test.was); p.id != known {
				t.Errorf("the identity is %v, want %v", p.id, known)
			}
			if p.offset.Load() != test.want || p.place != known {
				t.Errorf("goes on at %d, want %d; place %d", p.offset.Load(), test.want, p.place)
			}
		})
	}
}

// TestAnotherCluster: where another cluster takes the place of the brokers, under their addresses, what
// it has had before is not delivered, whatever its logs look like; what comes then is.
func TestAnotherCluster(t *testing.T) {
	for _, records := range []int{1, 5, 10} { // fewer, as many and more than this node has read
		t.Run(strconv.Itoa(records), func(t *testing.T) {
			f := fake(t, 1, "a", 1)
			r := readFrom(t, f.Addrs, "a")
			w := newWriter(t, f.Addrs)
			w.must("a", 0, "1", "2", "3", "4", "5")
			r.of("a", 0, 5)
			past := kfake.DataDir(t.TempDir())
			another := servers.Fake(t, 1, past, kfake.ClusterID("another"), kfake.SeedTopics(2, "a"))
			w = newWriter(t, another.Addrs)
			w.must("a", 1, "old")
			for range records {
				w.must("a", 0, "old")
			}
			another.Stop()
			f.Stop()
			_, port, _ := strings.Cut(f.Addrs[0], ":")
			n, err := strconv.Atoi(port)
			must(t, err)
			brokers, err := kfake.NewCluster(past, kfake.ClusterID("another"), kfake.Ports(n))
			must(t, err)
			defer brokers.Close()
			r.poll("for the other cluster to be noticed", func() bool { return strings.Contains(r.log(), "the brokers are another cluster now") })
			w = newWriter(t, f.Addrs)
			w.must("a", 0, "new")
			r.want("a", 0, "1", "2", "3", "4", "5", "new")
			r.poll("for the second partition", func() bool { return len(r.figures().Partitions) == 2 })
			w.must("a", 1, "new")
			r.want("a", 1, "new")
			if f := r.figures(); f.Gaps != 1 || f.Missed != 0 {
				t.Errorf("figures %+v, want a gap", f)
			}
		})
	}
}

// TestOffsetsRefused: a partition whose offset the broker does not tell yet is asked for again, and
// the node is not ready before.
func TestOffsetsRefused(t *testing.T) {
	f := fake(t, 1, "a", 3)
	w := newWriter(t, f.Addrs)
	w.must("a", 1, "before")
	refused := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "a", Partitions: []int32{1}, Err: kerr.OffsetNotAvailable, Count: 3})
	r := readFrom(t, f.Addrs, "a")
	if refused.Hits() < 3 {
		t.Error("ready before the broker told the offsets")
	}
	for number := range 3 {
		w.must("a", number, "after")
		r.want("a", number, "after")
	}
}

// realTopic returns the name of a new topic on a broker.
func realTopic(t *testing.T, b *servers.Broker, partitions int, settings ...string) string {
	t.Helper()
	topic := fmt.Sprintf("tail-%d", time.Now().UnixNano())
	b.CreateTopic(t, topic, partitions, settings...)
	return topic
}

// TestRealLostEnd: a real broker that was killed and has lost the end of its logs, as it does with the
// power, is read from where they ended: what is left is not delivered again, and nothing is missed
// that was written before this node came back, whether or not the log is longer again by then.
func TestRealLostEnd(t *testing.T) {
	b := servers.Kafka(t)
	topic := realTopic(t, b, 2)
	hold, blocked := make(chan struct{}), make(chan struct{}, 1)
	r := startReading(t, []string{b.Addr}, func(rec *wire.Record) {
		if string(rec.Value) == "block" {
			blocked <- struct{}{}
			<-hold
		}
	}, topic)
	r.wait(r.ready, "to be ready")
	w := newWriter(t, []string{b.Addr})
	for number := range 2 {
		for i := range 10 {
			w.must(topic, number, strconv.Itoa(i))
		}
		r.of(topic, number, 10)
	}
	w.must(topic, 0, "block")
	r.wait(blocked, "for the last record")
	b.Kill()
	for number := range 2 {
		cutFile(t, filepath.Join(b.Data(topic, number), "00000000000000000000.log"))
	}
	b.Start(t)
	for i := range 20 {
		w.must(topic, 0, "new"+strconv.Itoa(i))
	}
	w.must(topic, 1, "new0", "new1")
	close(hold)
	for number, count := range []int{11 + 20, 10 + 2} {
		got := r.of(topic, number, count)
		fresh := got[count-[]int{20, 2}[number]:]
		if fresh[0].offset == 0 || fresh[0].offset > 8 {
			t.Errorf("partition %d: goes on at offset %d, want one within what was read", number, fresh[0].offset)
		}
		for i, g := range fresh {
			if g.body != "new"+strconv.Itoa(i) {
				t.Errorf("partition %d: record %d after the loss is %s", number, i, g.body)
			}
		}
	}
	if f := r.figures(); f.Gaps != 2 {
		t.Errorf("figures %+v, want a gap in each partition", f)
	}
}

// cutFile cuts off the end of a file.
func cutFile(t *testing.T, name string) {
	t.Helper()
	info, err := os.Stat(name)
	must(t, err)
	must(t, os.Truncate(name, info.Size()*6/10))
}
