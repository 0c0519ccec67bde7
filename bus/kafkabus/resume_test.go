package kafkabus

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/form"
)

// resuming is nodes, those who publish to a room on them, with keys and without, and clients that hop from node to node.
type resuming struct {
	t     *testing.T
	addr  string
	topic string
	start map[uint64]bus.Position // where all of them begin, by log
	over  atomic.Bool
	group sync.WaitGroup

	mu    sync.Mutex
	nodes []*node
}

func (r *resuming) node(i int) *node {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes[i%len(r.nodes)]
}

// join starts one more node.
func (r *resuming) join() {
	n := newNode(r.t, Config{Brokers: []string{r.addr}, Topic: r.topic}, kept(time.Hour))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes = append(r.nodes, n)
}

// grow waits until the first node has some more.
func (r *resuming) grow() {
	n := r.node(0)
	had := len(n.bodies())
	n.poll("for more", func() bool { return len(n.bodies()) > had+5000 })
}

func (r *resuming) publishWithKey() {
	for n := 0; !r.over.Load(); n++ {
		r.node(0).Publish(bus.Envelope{Destination: room, Body: fmt.Appendf(nil, "key %d", n)}, func(error) {}) // the log tells what became of it
		time.Sleep(time.Millisecond)
	}
}

func (r *resuming) publishWithoutKey() {
	w := newWriter(r.t, []string{r.addr})
	for n := 0; !r.over.Load(); n++ {
		w.produce(r.topic, n%3, kafka.Record{ // the log tells what became of it
			Value:   kafka.NewBytes([]byte("none " + strconv.Itoa(n))),
			Headers: []kafka.Header{{Key: form.DestinationHeader, Value: []byte(room)}},
		})
		time.Sleep(time.Millisecond)
	}
}

// hop resumes on one node after the other, at once or a little later, as long as there is anything to come, and returns
// what that has brought.
func (r *resuming) hop(client int) (got []delivered) {
	vector, told := maps.Clone(r.start), time.Now()
	for i := client; ; i++ {
		last := r.over.Load()
		n, w := r.node(i), bus.Wish{After: slices.Collect(maps.Values(vector)), Told: told}
		a := n.recall(room, w)
		if errors.Is(a.Err, bus.ErrDown) { // the broker is away for longer than anybody waits: it comes again
			continue
		}
		if !a.Whole {
			r.t.Errorf("client %d: %v", client, a.Err)
			return got
		}
		told = time.Now()
		got = append(got, n.behind(vector)...)
		if last {
			return got
		}
		time.Sleep(time.Duration(i%7) * 20 * time.Millisecond)
	}
}

// behind returns what has come to a node behind a vector, and brings that up to date.
func (n *node) behind(vector map[uint64]bus.Position) (list []delivered) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.got {
		if at := d.mark.At; at.Offset > vector[at.Log].Offset {
			list = append(list, d)
			vector[at.Log] = at
		}
	}
	return list
}

// byLog returns the bodies of each log, in their order.
func byLog(list []delivered) map[uint64][]string {
	logs := make(map[uint64][]string)
	for _, d := range list {
		logs[d.mark.At.Log] = append(logs[d.mark.At.Log], d.body)
	}
	return logs
}

// TestRealResume: clients that hop between nodes while many publish, the broker is killed, and a node comes that has to
// read back: each gets every message once, in the order of its partition.
func TestRealResume(t *testing.T) {
	b := servers.Kafka(t)
	r := &resuming{t: t, addr: b.Addr, topic: realTopic(t, b, 3), start: make(map[uint64]bus.Position)}
	r.join()
	r.join()
	for _, p := range r.nodes[0].in.topics[0].parts {
		at, _ := p.head()
		r.start[at.Log] = at
	}
	got := make([][]delivered, 20)
	r.group.Go(r.publishWithKey)
	r.group.Go(r.publishWithoutKey)
	for i := range got {
		r.group.Go(func() { got[i] = r.hop(i) })
	}
	r.grow()
	b.Kill()
	b.Start(t)
	r.grow()
	r.join()
	r.grow()
	r.over.Store(true)
	r.group.Wait()
	var all map[uint64][]string
	bustest.Eventually(t, "the first node has what clients got from others", func() bool {
		r.nodes[0].mu.Lock()
		defer r.nodes[0].mu.Unlock()
		all = byLog(r.nodes[0].got)
		return !slices.ContainsFunc(got, func(list []delivered) bool {
			for log, bodies := range byLog(list) {
				if len(bodies) > len(all[log]) {
					return true
				}
			}
			return false
		})
	})
	for i, list := range got {
		logs := byLog(list)
		for log, bodies := range logs {
			if whole := all[log]; !slices.Equal(bodies, whole[:len(bodies)]) {
				t.Errorf("client %d has %d messages of a partition, which are not the first of its %d", i, len(bodies), len(whole))
			}
		}
		if len(logs) != 3 {
			t.Errorf("client %d has messages of %d partitions", i, len(logs))
		}
	}
}
