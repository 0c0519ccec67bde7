package kafkabus

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// realTopic returns the name of a new topic on a broker.
func realTopic(t *testing.T, b *servers.Broker, partitions int, settings ...string) string {
	t.Helper()
	topic := fmt.Sprintf("tail-%d", time.Now().UnixNano())
	b.CreateTopic(t, topic, partitions, settings...)
	return topic
}

// TestRealRestart: a real broker that is stopped, or killed, and started again on the same data costs
// nothing but time.
func TestRealRestart(t *testing.T) {
	b := servers.Kafka(t)
	topic := realTopic(t, b, 6)
	r := readFrom(t, []string{b.Addr}, topic)
	w := newWriter(t, []string{b.Addr})
	stop := w.flood(topic, 6)
	someMore := func() {
		t.Helper()
		for i := range 6 {
			r.of(topic, i, w.count(topic, i)+10)
		}
	}
	for _, end := range []func(){func() { b.Stop(t) }, b.Kill} {
		someMore()
		end()
		r.poll("for the outage to be seen", func() bool { return r.healthy(time.Millisecond) != nil })
		b.Start(t)
		someMore()
	}
	stop()
	w.checkAll(r, 0)
	if f := r.figures(); f.Gaps+f.Missed+f.Skipped > 0 {
		t.Errorf("figures %+v", f)
	}
	r.poll("for health to come back", func() bool { return r.healthy(time.Second) == nil })
}

// TestRealGrowth: partitions that a topic on a real broker gets under load are read from their first
// record on, and so is a topic that is there only after the start. Two topics share the fetches.
func TestRealGrowth(t *testing.T) {
	b := shared.Kafka(t)
	one := realTopic(t, b, 2)
	other := one + "-later"
	r := startReading(t, []string{b.Addr}, nil, one, other)
	b.CreateTopic(t, other, 5)
	r.wait(r.ready, "to be ready")
	w := newWriter(t, []string{b.Addr})
	stop := []func(){w.flood(one, 2), w.flood(other, 5)}
	b.AddPartitions(t, one, 6)
	for i := range 6 {
		w.must(one, i, "first", "second")
		r.of(one, i, 2)
	}
	for i := range 5 {
		r.of(other, i, 20)
	}
	res, err := w.client.ListGroups(t.Context(), &kafka.ListGroupsRequest{Addr: kafka.TCP(b.Addr)})
	if err != nil || res.Error != nil || len(res.Groups) > 0 {
		t.Errorf("groups on the broker: %+v, %v", res, err)
	}
	for _, f := range stop {
		f()
	}
	w.checkAll(r, 0)
}

// TestRealRetention: records that a real broker has removed before they were read are a gap.
func TestRealRetention(t *testing.T) {
	b := shared.Kafka(t)
	topic := realTopic(t, b, 2, "retention.ms=-1")
	hold, blocked := make(chan struct{}), make(chan struct{}, 1000)
	r := startReading(t, []string{b.Addr}, func(*wire.Record) { blocked <- struct{}{}; <-hold }, topic)
	r.wait(r.ready, "to be ready")
	w := newWriter(t, []string{b.Addr})
	w.must(topic, 1, "0")
	r.wait(blocked, "for the first record")
	for i := 1; i < 10; i++ {
		w.must(topic, 1, strconv.Itoa(i))
	}
	b.Run(t, "", "org.apache.kafka.tools.DeleteRecordsCommand", "--bootstrap-server", b.Addr,
		"--offset-json-file", deleteBefore(t, topic, 1, 7))
	close(hold)
	if got := values(r.of(topic, 1, 4)); got != "0 7 8 9" {
		t.Errorf("got %s", got)
	}
	if f := r.figures(); f.Gaps != 1 || f.Missed != 6 {
		t.Errorf("figures %+v, want a gap of 6", f)
	}
}

// deleteBefore returns the name of a file that tells Kafka's tool to remove the records before offset.
func deleteBefore(t *testing.T, topic string, number, offset int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "offsets.json")
	text := fmt.Sprintf(`{"version": 1, "partitions": [{"topic": %q, "partition": %d, "offset": %d}]}`, topic, number, offset)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestRealMadeAgain: a topic deleted and made again on a real broker is read from its first record,
// also if it has more records than before by then.
func TestRealMadeAgain(t *testing.T) {
	b := shared.Kafka(t)
	topic := realTopic(t, b, 2)
	r := readFrom(t, []string{b.Addr}, topic)
	w := newWriter(t, []string{b.Addr})
	for i := range 10 {
		w.must(topic, i%2, "old")
	}
	for i := range 2 {
		r.of(topic, i, 5)
	}
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
}

// TestRealLostEnd: a real broker that was killed and has lost the end of its logs, as it does with the
// power, is read from where they ended: what is left is not delivered again, and nothing is missed
// that was written before this node came back, whether or not the log is longer again by then.
func TestRealLostEnd(t *testing.T) {
	data := t.TempDir()
	b := servers.Kafka(t, servers.Setting("log.dirs="+data))
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
		cutFile(t, filepath.Join(data, fmt.Sprintf("%s-%d", topic, number), "00000000000000000000.log"))
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
			if string(g.value) != "new"+strconv.Itoa(i) {
				t.Errorf("partition %d: record %d after the loss is %s", number, i, g.value)
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
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, info.Size()*6/10); err != nil {
		t.Fatal(err)
	}
}
