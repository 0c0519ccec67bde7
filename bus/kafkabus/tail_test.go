package kafkabus

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/bus/kafkabus/internal/wire"
)

// TestFromNow: what was there before is not read; from ready on everything is, of all partitions of
// all topics, in order, once. The brokers know of no consumer group, and nothing is left after the end.
func TestFromNow(t *testing.T) {
	f := fake(t, 3, "a", 8)
	must(t, f.CreateTopic("b", 3, nil))
	w := newWriter(t, f.Addrs)
	each := func(round string) {
		for i := range 8 {
			w.must("a", i, round)
		}
		for i := range 3 {
			w.must("b", i, round)
		}
	}
	each("before")
	r := readFrom(t, f.Addrs, "a", "b")
	for i := range 20 {
		each(strconv.Itoa(i))
	}
	w.checkAll(r, 1)
	res, err := w.client.ListGroups(t.Context(), &kafka.ListGroupsRequest{Addr: kafka.TCP(f.Addrs[0])})
	if err != nil || res.Error != nil || len(res.Groups) > 0 {
		t.Errorf("groups on the broker: %v, %v", res, err)
	}
	r.end()
	if f := r.figures(); len(f.Partitions) > 0 {
		t.Errorf("figures after the end: %v", f)
	}
	if err := r.healthy(0); err != nil {
		t.Errorf("health after the end: %v", err)
	}
}

// TestMissingTopic: a node is not ready before its own topic is there; asking for one does not create
// it, on brokers that would; and what is published to it after ready is read.
func TestMissingTopic(t *testing.T) {
	f := fake(t, 3, "orders", 2)
	asked := make(chan struct{}, 1)
	brokers := f.Cluster
	brokers.ControlKey(kmsg.Metadata.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if req.(*kmsg.MetadataRequest).AllowAutoTopicCreation {
			t.Error("a metadata request asks for the creation of topics")
		}
		select {
		case asked <- struct{}{}:
		default:
		}
		return nil, nil, false
	})
	r := startReading(t, f.Addrs, nil, "absent", "orders")
	r.poll("for the topic that is there", func() bool { return len(r.figures().Partitions) == 2 })
	for range 3 {
		r.wait(asked, "for a metadata request")
	}
	select {
	case <-r.ready:
		t.Fatal("ready without its topic")
	default:
	}
	if err := r.healthy(time.Hour); err == nil || !strings.Contains(err.Error(), "topic absent") {
		t.Errorf("healthy says %v, want that the topic is missing", err)
	}
	if f.TopicInfo("absent") != nil {
		t.Error("the topic was created")
	}
	must(t, f.CreateTopic("absent", 1, nil))
	r.wait(r.ready, "to be ready")
	w := newWriter(t, f.Addrs)
	w.must("absent", 0, "new")
	r.want("absent", 0, "new")
	if err := r.healthy(time.Hour); err != nil {
		t.Error(err)
	}
}

// TestGoneBeforeReady: a topic that goes before the node is ready is awaited again.
func TestGoneBeforeReady(t *testing.T) {
	f := fake(t, 1, "a", 2)
	refused := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "a", Partitions: []int32{1}, Err: kerr.PolicyViolation, Count: -1})
	r := startReading(t, f.Addrs, nil, "a")
	r.poll("for the partitions", func() bool { return len(r.figures().Partitions) == 2 })
	must(t, f.DeleteTopic("a"))
	r.poll("for them to go", func() bool { return len(r.figures().Partitions) == 0 })
	refused.Remove()
	select {
	case <-r.ready:
		t.Fatal("ready without a topic that has gone")
	default:
	}
	if err := r.healthy(time.Hour); err == nil || !strings.Contains(err.Error(), "topic a") {
		t.Errorf("healthy says %v, want that the topic has gone", err)
	}
	if err := f.CreateTopic("a", 1, nil); err != nil { // with fewer partitions
		t.Fatal(err)
	}
	r.wait(r.ready, "to be ready")
	w := newWriter(t, f.Addrs)
	w.must("a", 0, "a")
	r.of("a", 0, 1)
	servers.AddPartitions(t, f.Addrs[0], "a", 2)
	w.must("a", 1, "a again")
	if got := values(r.of("a", 1, 1)); got != "a again" {
		t.Errorf("got %q", got)
	}
}

// TestNoLeader: a partition without a leader keeps the node from being ready, and is read from its
// end of then on when it has one.
func TestNoLeader(t *testing.T) {
	f := fake(t, 3, "a", 4)
	w := newWriter(t, f.Addrs)
	w.must("a", 2, "before")
	var leaderless atomic.Bool
	leaderless.Store(true)
	brokers := f.Cluster
	brokers.ControlKey(kmsg.Metadata.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		if !leaderless.Load() {
			return nil, nil, false
		}
		return withoutLeader(brokers, f.Addrs, req.(*kmsg.MetadataRequest), "a", 4, 2), nil, true
	})
	r := startReading(t, f.Addrs, nil, "a")
	r.poll("for the partitions with a leader", func() bool { return len(r.figures().Partitions) == 3 })
	select {
	case <-r.ready:
		t.Fatal("ready with a partition that has no leader")
	default:
	}
	r.poll("for partition 2 alone to be missing", func() bool {
		return strings.Contains(errorText(r.healthy(time.Hour)), "partition 2 of topic a")
	})
	leaderless.Store(false)
	r.wait(r.ready, "to be ready")
	w.must("a", 2, "after")
	r.want("a", 2, "after")
	leaderless.Store(true)
	r.poll("for the leader to be missed", func() bool { return r.silence(2) > maxWait+200*time.Millisecond })
	if err := r.healthy(maxWait + 100*time.Millisecond); err == nil || !strings.Contains(err.Error(), "partition 2 of topic a") {
		t.Errorf("healthy says %v, want that partition 2 can't be read", err)
	}
	leaderless.Store(false)
	w.must("a", 2, "again")
	r.want("a", 2, "after", "again")
	r.poll("for health", func() bool { return r.healthy(maxWait+100*time.Millisecond) == nil })
}

// withoutLeader answers a metadata request as if one of the partitions had no leader, and the topic
// were there.
func withoutLeader(brokers *kfake.Cluster, addrs []string, req *kmsg.MetadataRequest, topic string, partitions, without int32) kmsg.Response {
	res := req.ResponseKind().(*kmsg.MetadataResponse)
	for i, addr := range addrs {
		b := kmsg.NewMetadataResponseBroker()
		host, port, _ := strings.Cut(addr, ":")
		b.NodeID, b.Host = int32(i), host
		n, _ := strconv.Atoi(port)
		b.Port = int32(n)
		res.Brokers = append(res.Brokers, b)
	}
	rt := kmsg.NewMetadataResponseTopic()
	rt.Topic = kmsg.StringPtr(topic)
	for i := range partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader = i, max(0, brokers.LeaderFor(topic, i))
		if i == without {
			p.Leader, p.ErrorCode = -1, int16(kafka.LeaderNotAvailable)
		}
		rt.Partitions = append(rt.Partitions, p)
	}
	res.Topics = append(res.Topics, rt)
	return res
}

// TestFigures: they come by topic and number, and say what waits on the broker.
func TestFigures(t *testing.T) {
	f := fake(t, 3, "b", 2)
	must(t, f.CreateTopic("a", 12, nil))
	hold := make(chan struct{})
	r := startReading(t, f.Addrs, func(*wire.Record) { <-hold }, "b", "a")
	defer r.end()
	release := func() { close(hold) }
	defer func() { release() }()
	r.wait(r.ready, "to be ready")
	w := newWriter(t, f.Addrs)
	w.must("a", 11, "1", "2", "3", "4")
	r.poll("for the lag", func() bool { return r.figures().Partitions[11].Lag == 4 })
	var order []topicPartition
	for _, p := range r.figures().Partitions {
		order = append(order, topicPartition{p.Topic, p.Partition})
		if p.Age < 0 || p.Age > time.Hour {
			t.Errorf("age of %v", p)
		}
	}
	var want []topicPartition
	for i := range 12 {
		want = append(want, topicPartition{"a", i})
	}
	want = append(want, topicPartition{"b", 0}, topicPartition{"b", 1})
	if !slices.Equal(order, want) {
		t.Errorf("figures of %v, want %v", order, want)
	}
	release()
	release = func() {}
	r.of("a", 11, 4)
	r.poll("for the lag to go", func() bool { return r.figures().Partitions[11].Lag == 0 })
}
