package kafkabus

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

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
